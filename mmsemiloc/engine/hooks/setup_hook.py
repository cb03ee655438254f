"""Hook that checks before the first step that data, model and schedules fit together."""

import logging
from typing import ClassVar

import torch
from mmengine.dataset import BaseDataset
from mmengine.device import get_device
from mmengine.evaluator import Evaluator
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import DataLoader

from mmsemiloc.datasets import SemiSupDataset, SemiSupSampler
from mmsemiloc.datasets.checks.classes import check_against_checkpoint, checkpoint_classes
from mmsemiloc.datasets.checks.same_folders import check_folder_names
from mmsemiloc.datasets.random_state import STEPS, seed_everything
from mmsemiloc.engine.checks.agreement import (
    check_model,
    check_sampler,
    describe_data,
    number_of_classes,
    sources,
)
from mmsemiloc.engine.checks.data import check_files, check_training_data
from mmsemiloc.engine.checks.loaded_weights import check_frozen_is_trained, check_weights
from mmsemiloc.engine.checks.never_begins import check_everything_begins
from mmsemiloc.engine.checks.trial import check_topk, try_evaluation, try_loss
from mmsemiloc.engine.hooks.finite_hook import FiniteHook
from mmsemiloc.engine.hooks.history_hook import HistoryHook
from mmsemiloc.engine.hooks.loss_schedule_hook import LossScheduleHook
from mmsemiloc.engine.hooks.step_arguments import StepArguments
from mmsemiloc.models import SemiSupClassifier, inner_model
from mmsemiloc.registry import HOOKS


@HOOKS.register_module()
class SemiSupSetupHook(Hook):
    """Checks what must agree before the first step.

    It also hands the labelled class counts to ``prior='labeled'``, and keeps the order of images of
    a resumed run.

    It checks the classes of all data sets by name and number, the images (see
    :meth:`SemiSupDataset.check`), the sampler and the schedules. A trial on a few images computes
    every term of the loss and every metric. Before a test it checks the classes of the checkpoint
    too. A resumed run continues with the sampler's seed of the run that it resumes, also if that
    was a random one.

    Each step is seeded by (seed, rank, iteration): what the model and its preprocessor draw (drop
    out, Mixup) does not depend on what was drawn before, so a resumed run is bit-identical to one
    that was never stopped.

    In our configs it is ``default_hooks.setup``, so a ``custom_hooks`` list of your own does not
    replace it. It brings :class:`FiniteHook`, :class:`LossScheduleHook` and :class:`HistoryHook`
    along where a config does not list them.

    Raises:
        ValueError: Before the work starts, with what does not fit and the remedy.
    """

    step_arguments: ClassVar[StepArguments] = {}
    priority = 'VERY_HIGH'  # before hooks that load weights, such as EMAHook
    saved_seed: int | None = None
    saved_meta: dict = {}
    loaded = False  # whether the model has the weights of a checkpoint
    kept_classes: tuple[str, ...] = ()  # of the checkpoint, where the training images have none

    def before_train(self, runner: Runner) -> None:
        """Run all checks once."""
        for needed in (FiniteHook, LossScheduleHook, HistoryHook):
            if not any(isinstance(hook, needed) for hook in runner.hooks):
                # Its priority is lower, so its own before_train comes after this one.
                runner.register_hook(needed())

        loader, model = runner.train_loop.dataloader, inner_model(runner.model)
        validation = runner.val_loop.dataloader.dataset if runner.val_loop else None
        check_sampler(loader, runner.optim_wrapper)
        if isinstance(loader.sampler, SemiSupSampler):
            self._restore_seed(runner, loader.sampler)

        check_model(model)
        check_frozen_is_trained(model, self.loaded)
        num_classes, labeled = number_of_classes(model), sources(loader.dataset)[0][0]
        if num_classes is not None:
            classes = checkpoint_classes(self.saved_meta)
            self.kept_classes = classes if labeled is None else ()
            known = classes if runner.iter or labeled is None else None
            check_training_data(runner, num_classes, known)
        self._set_priors(model, loader.dataset)
        terms = model.head.terms if isinstance(model, SemiSupClassifier) else {}
        check_everything_begins(runner, terms)

        # By a trial, what no rule foresees.
        if isinstance(model, SemiSupClassifier):
            try_loss(model, loader)
        if runner.val_loop:
            self._check_evaluation(
                runner.model, runner.val_loop.dataloader, runner.val_loop.evaluator, 'val'
            )
        print_log(describe_data(loader.dataset, validation), logger='current', level=logging.INFO)
        self.saved_meta = {}  # from here on the weights are those of this run, and of its classes

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: object = None) -> None:
        """Seed what the step will draw."""
        device = torch.device(get_device())
        seed_everything(STEPS, runner.seed, runner.rank, runner.iter, device=device)

    def before_test(self, runner: Runner) -> None:
        """Check the test images and metrics."""
        model, loop = inner_model(runner.model), runner.test_loop
        num_classes = number_of_classes(model)
        if num_classes is not None:
            dataset = loop.dataloader.dataset
            check_against_checkpoint(dataset, num_classes, self.saved_meta, 'test')
            check_folder_names(dataset, 'test')
            check_files(dataset, 'test', getattr(dataset, 'faults', None))
        self._check_evaluation(runner.model, loop.dataloader, loop.evaluator, 'test')

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Save the sampler's seed, and names of classes that unlabelled images do not tell."""
        checkpoint['sampler_seed'] = getattr(runner.train_loop.dataloader.sampler, 'seed', None)
        if self.kept_classes:
            checkpoint['meta']['dataset_meta'] = dict(classes=self.kept_classes)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Check the weights before anything is loaded; remember what the run goes on with."""
        check_weights(runner, checkpoint)
        self.loaded = True
        self.saved_seed = checkpoint.get('sampler_seed')
        self.saved_meta = checkpoint.get('meta') or {}

    def _check_evaluation(
        self, model: nn.Module, loader: DataLoader, evaluator: Evaluator, which: str
    ) -> None:
        """Try the metrics of a classifier."""
        num_classes = number_of_classes(inner_model(model))
        if num_classes is not None:
            check_topk(evaluator, num_classes, which)
            try_evaluation(model, loader, evaluator, which)

    def _set_priors(self, model: nn.Module, dataset: BaseDataset) -> None:
        """Hand the class counts to terms that ask for them."""
        for module in model.modules():
            if getattr(module, 'prior', None) == 'labeled':
                if not isinstance(dataset, SemiSupDataset):
                    raise ValueError(
                        f"prior='labeled' needs a SemiSupDataset, got {type(dataset).__name__}"
                    )
                module.set_prior(dataset.labeled_class_counts(number_of_classes(model) or 0))

    def _restore_seed(self, runner: Runner, sampler: SemiSupSampler) -> None:
        """Go on with the order of a resumed run.

        MMEngine restores a random seed only after it has built the sampler.
        """
        if runner.iter and self.saved_seed not in (None, sampler.seed):
            print_log(
                f'the order of images continues with seed {self.saved_seed} of the checkpoint, not '
                f'{sampler.seed}',
                logger='current',
                level=logging.INFO,
            )
            sampler.seed = self.saved_seed
