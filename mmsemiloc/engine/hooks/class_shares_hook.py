"""Hook that estimates the class shares of the unlabelled images for ``prior='estimated'``."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
import torch
from mmengine import dist
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner, set_random_seed
from torch import nn
from torch.utils.data import DataLoader

from mmsemiloc.datasets import SemiSupDataset
from mmsemiloc.datasets.contents import class_names
from mmsemiloc.datasets.subsets import draw_subset, subset_loader
from mmsemiloc.engine.hooks.cam_evolution_hook import evaluating
from mmsemiloc.engine.hooks.step_arguments import StepArguments
from mmsemiloc.files import write_whole
from mmsemiloc.models import inner_model
from mmsemiloc.models.class_shares import em_shares, smoothed_shares
from mmsemiloc.models.losses.class_prior import ClassPrior
from mmsemiloc.models.losses.term import WeightedTerm
from mmsemiloc.models.numerics import at_least_float32, check_number
from mmsemiloc.registry import HOOKS

FILE = 'class_shares.txt'


def estimated_priors(module: nn.Module) -> list[ClassPrior]:
    """The priors of a model or a term that ask for an estimate."""
    return [
        part
        for part in module.modules()
        if isinstance(part, ClassPrior)
        and isinstance(part.prior, str)
        and part.prior == 'estimated'
    ]


def estimation_step(terms: Mapping[str, WeightedTerm], total: int) -> int:
    """The step before which the shares are needed: the first at which such a term begins.

    Until then the labelled images alone have to train the classifier, since predictions that a
    prior has shaped would confirm it.

    Args:
        terms: Those that ask for an estimate.
        total: Steps of the run.

    Raises:
        ValueError: If a term has a weight from the first step on.
    """
    steps = []
    for name, term in terms.items():
        begin = term.schedule.steps(total)[0] if term.schedule else 0
        if begin < 1 or (term.schedule and term.schedule.start_value):
            raise ValueError(
                f"prior='estimated' of the loss term {name!r} is found out by a classifier that "
                'the labelled images have trained, but the term has a weight from the first step '
                'on: give it schedule=dict(begin=0.25), say'
            )
        steps.append(begin)
    return min(steps)


@torch.no_grad()
def predictions_of(model: Any, loader: DataLoader) -> np.ndarray:
    """q (N, C) of the first view of all images of a loader, by a model in evaluation mode."""
    found = []
    for data in loader:
        inputs = model.data_preprocessor(dict(inputs=data['inputs']), False)['inputs']
        found.append(at_least_float32(model(inputs, mode='tensor')).softmax(1).cpu().numpy())
    return np.concatenate(found) if found else np.zeros((0, model.head.num_classes), np.float32)


def drawn_shares(dataset: SemiSupDataset, num_classes: int, class_balanced: bool) -> np.ndarray:
    """Share (C,) of each class among the labelled images that training draws."""
    counts = dataset.labeled_class_counts(num_classes)
    if class_balanced:
        counts = [1] * len(counts)
    return smoothed_shares(counts, 0 if min(counts) else 1)


@HOOKS.register_module()
class ClassSharesHook(Hook):
    """Finds out the class shares of the unlabelled images for terms with ``prior='estimated'``.

    Once, just before the first of these terms begins, the classifier predicts the unlabelled
    images, and :func:`em_shares` turns the predictions into shares. Until then it has been trained
    with the labelled images alone, which is what EM assumes; later predictions would confirm the
    prior that shaped them. The pipeline is that of training, so that labelled and unlabelled images
    of a class look alike to the classifier.

    One estimate needs no micro-batches, no running mean and no messages between the ranks during a
    step: ranks share the images, and all of them get the same shares. Random numbers go on as if
    nothing had been. The shares are saved in checkpoints, so that a resumed run goes on with them,
    and as ``class_shares.txt`` in the work folder, which ``prior=FILE`` takes.

    ``SemiSupSetupHook`` brings it along where a term asks for it. Without such a term it does
    nothing.

    Args:
        num_images: Most unlabelled images to predict.
        pseudo_count: See :func:`em_shares`.

    Raises:
        ValueError: If an argument is out of range; before training, if a term has a weight from the
            first step on, or there are no unlabelled images; or if a resumed run is past the
            estimate, but its checkpoint has none.
    """

    step_arguments: ClassVar[StepArguments] = {}
    saved: list[float] | None = None

    def __init__(self, num_images: int = 20000, pseudo_count: float = 1.0) -> None:
        check_number('num_images of ClassSharesHook', num_images, 1, whole=True)
        self.num_images = num_images
        self.pseudo_count = check_number('pseudo_count of ClassSharesHook', pseudo_count, above=0)
        self.step: int | None = None
        self.shares: list[float] | None = None

    def before_train(self, runner: Runner) -> None:
        """Find out when, and take the shares of a resumed run."""
        model: Any = inner_model(runner.model)
        self.shares = self.step = None
        found: Mapping[str, Any] = getattr(getattr(model, 'head', None), 'terms', {})
        terms = {
            name: term
            for name, term in found.items()
            if term.full_weight and estimated_priors(term)
        }
        if not terms:
            return

        # What is missing is said now, not at that step.
        self.step = estimation_step(terms, runner.max_iters)
        dataset = runner.train_loop.dataloader.dataset
        if not isinstance(dataset, SemiSupDataset) or not dataset.num_unlabeled:
            raise ValueError(
                "prior='estimated' needs a SemiSupDataset with unlabelled images, got "
                f'{type(dataset).__name__}'
            )
        dataset.labeled_class_counts(model.head.num_classes)

        if runner.iter > self.step:
            if self.saved is None:
                raise ValueError(
                    f"prior='estimated' was due at step {self.step}, but the checkpoint of step "
                    f'{runner.iter} has no class_shares: start anew, or give the shares as numbers'
                )
            self._hand_out(model, self.saved)

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None
    ) -> None:
        """Estimate, when it is time."""
        if runner.iter != self.step:
            return
        model, loader = inner_model(runner.model), runner.train_loop.dataloader
        with evaluating(model):
            shares = self._estimate(model, loader)
        self._hand_out(model, shares.tolist())

        # For people, and for other runs.
        names = class_names(loader.dataset)
        text = ', '.join(
            f'{names[i] if i < len(names) else i} {share:.3f}'
            for i, share in enumerate(shares[:20])
        )
        print_log(
            f'Estimated class shares of the unlabelled images: {text}'
            + (f', ... {len(shares)} classes' if len(shares) > 20 else ''),
            logger='current',
            level=logging.INFO,
        )
        if dist.is_main_process():
            lines = ''.join(f'{share!r}\n' for share in shares.tolist())
            write_whole(Path(runner.work_dir) / FILE, lines)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Save the shares."""
        if self.shares is not None:
            checkpoint['class_shares'] = self.shares

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Remember the shares, for a run that goes on."""
        self.saved = checkpoint.get('class_shares')

    def _estimate(self, model: Any, loader: DataLoader) -> np.ndarray:
        """Shares (C,), the same on all ranks."""
        dataset = cast(SemiSupDataset, loader.dataset)
        chosen = draw_subset(None, dataset.num_unlabeled, self.num_images) + dataset.num_labeled
        set_random_seed(0)  # of the augmentations, so that a resumed run sees the same ones

        # Each rank predicts its part of the images.
        mine = chosen[dist.get_rank() :: dist.get_world_size()]
        parts = dist.all_gather_object(predictions_of(model, subset_loader(loader, mine)))
        balanced = getattr(loader.sampler, 'labels', None) is not None
        trained = drawn_shares(dataset, model.head.num_classes, balanced)
        return em_shares(np.concatenate(parts), trained, self.pseudo_count)

    def _hand_out(self, model: nn.Module, shares: list[float]) -> None:
        """Give the shares to all that ask for them."""
        self.shares = shares
        for prior in estimated_priors(model):
            prior.set_prior(shares)
