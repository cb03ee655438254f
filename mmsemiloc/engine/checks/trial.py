"""Trials before the first step: every term of the loss and every metric once, on a few images."""

import contextlib
import copy
from collections.abc import Iterator, Sequence, Sized
from typing import Any, cast

import torch
from mmengine.evaluator import Evaluator
from mmengine.structures import BaseDataElement
from torch import nn
from torch.utils.data import DataLoader

from mmsemiloc.datasets import SemiSupDataset
from mmsemiloc.engine.hooks.cam_evolution_hook import evaluating
from mmsemiloc.models import SemiSupClassifier

IMAGES = 2  # of each kind
# Metrics that say something of a few images; others may need more of them, or of all classes.
COMPUTED = ('Accuracy', 'SingleLabelMetric', 'ConfusionMatrix', 'CAMLocalization')


@contextlib.contextmanager
def all_terms_on(terms: nn.ModuleDict) -> Iterator[None]:
    """Every term of the loss with a weight inside of ``with``; 1 where its own is 0 now."""
    before = {name: cast(float, term.loss_weight) for name, term in terms.items()}
    for name, term in terms.items():
        term.loss_weight = before[name] or 1.0  # type: ignore[assignment]
    try:
        yield
    finally:
        for name, term in terms.items():
            term.loss_weight = before[name]  # type: ignore[assignment]


def collated(loader: DataLoader, places: Sequence[int]) -> dict:
    """Some images of a dataloader's dataset, as it would hand them out."""
    return loader.collate_fn([loader.dataset[place] for place in places])


def training_places(loader: DataLoader) -> list[int]:
    """The first images of each kind that batches have."""
    dataset = loader.dataset
    if not isinstance(dataset, SemiSupDataset):
        return list(range(min(2 * IMAGES, len(cast(Sized, dataset)))))

    # A batch of the sampler may have labelled or unlabelled images alone.
    counts = getattr(loader.sampler, 'counts', {True: 1, False: 1})
    labeled = range(min(IMAGES, dataset.num_labeled)) if counts[True] else ()
    unlabeled = (
        range(dataset.num_labeled, min(dataset.num_labeled + IMAGES, len(dataset)))
        if counts[False]
        else ()
    )
    return [*labeled, *unlabeled]


def try_loss(model: SemiSupClassifier, loader: DataLoader) -> None:
    """Compute all terms of the loss once, also those that begin late; nothing of the run changes.

    In evaluation mode, so that BatchNorm's statistics, dropout and running means stay as they are.

    Args:
        model: The classifier.
        loader: Its training data.

    Raises:
        ValueError: If something fails, with the term or what the head got.
    """
    with evaluating(model), torch.no_grad(), all_terms_on(model.head.terms):
        data = collated(loader, training_places(loader))
        batch = model.data_preprocessor(data, True)
        try:
            model(**batch, mode='loss')
        except Exception as error:
            raise ValueError(f'the loss cannot be computed: {failure(error)}') from error


def failure(error: Exception) -> str:
    """An exception in one line; the type of those that say what is wrong in words is left out."""
    text = ' '.join(str(error).split())
    return text if isinstance(error, ValueError) and text else f'{type(error).__name__}: {text}'


def check_topk(evaluator: Evaluator, num_classes: int, which: str) -> None:
    """Refuse a top-k accuracy with a k above the number of classes.

    Raises:
        ValueError: With both numbers.
    """
    for metric in evaluator.metrics:
        topk = getattr(metric, 'topk', None) or (1,)
        if isinstance(topk, tuple | list) and max(topk) > num_classes:
            raise ValueError(
                f'{which}_evaluator: {type(metric).__name__} has topk={tuple(topk)}, but there are '
                f'{num_classes} classes: set {which}_evaluator.topk=1'
            )


def try_evaluation(model: nn.Module, loader: DataLoader, evaluator: Evaluator, which: str) -> None:
    """Read some images for evaluation, predict them, and hand them to a copy of the metrics.

    Nothing of the run changes.

    Args:
        model: The model as the runner has it, distributed or with test-time augmentation.
        loader: The images.
        evaluator: The metrics.
        which: 'val' or 'test', for messages.

    Raises:
        ValueError: If something fails, with the metric.
    """
    with evaluating(model), torch.no_grad():  # as in MMEngine's loops
        data = collated(loader, range(min(2 * IMAGES, len(cast(Sized, loader.dataset)))))
        step = model.val_step if which == 'val' else model.test_step
        outputs = [
            output.to_dict() if isinstance(output, BaseDataElement) else output
            for output in step(data)
        ]

        for metric in evaluator.metrics:
            tried: Any = copy.deepcopy(metric)
            name = type(metric).__name__
            try:
                tried.process(data, outputs)
                if name in COMPUTED:
                    tried.compute_metrics(tried.results)
            except Exception as error:
                missing = isinstance(error, KeyError) and error.args[:1] == ('gt_label',)
                hint = (
                    ': the images have no labels; give the data set with_label=True or a list with '
                    'labels'
                    if missing
                    else ''
                )
                raise ValueError(
                    f'{which}_evaluator: {name} cannot be computed: {failure(error)}{hint}'
                ) from error
