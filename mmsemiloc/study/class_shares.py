"""Class shares of the unlabelled images from a cross-validation on the labelled ones."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import default_collate
from mmengine.registry import init_default_scope
from torch.utils.data import DataLoader

from mmsemiloc.datasets import SemiSupDataset
from mmsemiloc.engine.checks.agreement import bare_dataset
from mmsemiloc.inference.trained_model import load_model
from mmsemiloc.models.class_shares import (
    bbse_shares,
    em_shares,
    fit_temperature,
    smoothed_shares,
    tempered,
)
from mmsemiloc.models.numerics import at_least_float32
from mmsemiloc.registry import DATASETS
from mmsemiloc.study.runs import Run, plan_run


@dataclass(frozen=True)
class Fold:
    """Predictions of a classifier that was trained without a part of the labelled images.

    Attributes:
        probs: q (N, C) of that part.
        labels: Its classes (N,).
        others: q (U, C) of the unlabelled images.
    """

    probs: np.ndarray
    labels: np.ndarray
    others: np.ndarray


def fold_numbers(labels: np.ndarray, num_classes: int, folds: int, seed: int = 0) -> np.ndarray:
    """Number of the fold (N,) that leaves each image out, with the classes spread over the folds.

    Raises:
        ValueError: If there are fewer than 2 folds, or a class has fewer than 2 images.
    """
    counts = np.bincount(labels, minlength=num_classes)
    if folds < 2:
        raise ValueError(f'a cross-validation needs at least 2 folds, got {folds}')
    if counts.min() < 2:
        few = np.flatnonzero(counts < 2)[:10].tolist()
        raise ValueError(
            f'a cross-validation needs at least 2 labelled images of each class; classes {few} '
            f'have {counts[few].tolist()}'
        )

    # Dealt out like cards, one class after the other, each in random order.
    order = np.random.default_rng(seed).permutation(len(labels))
    order = order[np.argsort(labels[order], kind='stable')]
    numbers = np.empty(len(labels), int)
    numbers[order] = np.arange(len(labels)) % folds
    return numbers


def with_pipeline(source: Any, pipeline: list) -> Any:
    """The config of a source of images, or a list of such, with another pipeline."""
    if isinstance(source, list | tuple):
        return [with_pipeline(one, pipeline) for one in source]
    return {**source, 'pipeline': pipeline}


def images_to_predict(cfg: Config) -> SemiSupDataset:
    """The training images of a config as validation shows them, without augmentation.

    Raises:
        ValueError: If the labelled images are not one data set, or there are no unlabelled ones.
    """
    training = cfg.train_dataloader.dataset
    labeled = training.get('labeled')
    if not isinstance(labeled, dict) or 'indices' in labeled or not training.get('unlabeled'):
        raise ValueError(
            'train_dataloader.dataset must have unlabelled images, and one data set of labelled '
            'ones without indices=..., so that a part of them can be left out'
        )

    validation = bare_dataset(cfg.val_dataloader) or {}
    parts = {
        part: with_pipeline(training[part], validation['pipeline'])
        for part in ('labeled', 'unlabeled')
    }
    init_default_scope(cfg.get('default_scope', 'mmpretrain'))
    return DATASETS.build({**training, **parts})


def plan_folds(
    name: str, cfg: Config, labels: np.ndarray, num_classes: int, folds: int, work_dir: Path
) -> list[tuple[Run, np.ndarray]]:
    """The runs of a cross-validation, each with the places of the images that it leaves out."""
    numbers = fold_numbers(labels, num_classes, folds)
    plans = []
    for number in range(folds):
        part = copy.deepcopy(cfg)
        part.train_dataloader.dataset.labeled.indices = np.flatnonzero(numbers != number).tolist()
        run = plan_run(f'{name}-fold{number}', part, 0, work_dir)
        plans.append((run, np.flatnonzero(numbers == number)))
    return plans


@torch.no_grad()
def predictions_of(model: Any, loader: DataLoader) -> np.ndarray:
    """q (N, C) of all images of a loader, by a model in evaluation mode."""
    found = []
    for data in loader:
        inputs = model.data_preprocessor(dict(inputs=data['inputs']), False)['inputs']
        found.append(at_least_float32(model(inputs, mode='tensor')).softmax(1).cpu().numpy())
    return np.concatenate(found)


def drawn_counts(dataset: SemiSupDataset, num_classes: int, class_balanced: bool) -> np.ndarray:
    """How often training draws labelled images of each class (C,), in any unit."""
    counts = np.array(dataset.labeled_class_counts(num_classes))
    return np.ones_like(counts) if class_balanced else counts


def predict_fold(run: Run, dataset: SemiSupDataset, left_out: np.ndarray) -> Fold:
    """Predictions of a finished run for what it left out, and for the unlabelled images."""
    model, _ = load_model(run.cfg, str(run.checkpoint()))

    def predict(places: Sequence[int]) -> np.ndarray:
        loader: DataLoader = DataLoader(
            dataset,
            batch_size=run.cfg.val_dataloader.batch_size,
            sampler=cast(Any, places),
            collate_fn=default_collate,
        )
        return predictions_of(model, loader)

    unlabeled = range(dataset.num_labeled, len(dataset))
    return Fold(predict(left_out.tolist()), dataset.labels()[left_out], predict(unlabeled))


def bbse_of_folds(folds: Sequence[Fold], ridge: float = 0.0) -> np.ndarray:
    """:func:`bbse_shares` (C,) with the confusion of all folds, smoothed by one labelled image."""
    size = folds[0].probs.shape[1]
    confusion, predicted = np.zeros((size, size)), np.zeros(size)
    for fold in folds:
        np.add.at(confusion, (fold.labels, fold.probs.argmax(1)), 1)
        predicted += np.bincount(fold.others.argmax(1), minlength=size)

    # How well the shares are known is limited by the labelled images.
    return smoothed_shares(bbse_shares(confusion, predicted, ridge) * confusion.sum())


def em_of_folds(folds: Sequence[Fold], train_shares: np.ndarray) -> tuple[np.ndarray, float]:
    """:func:`em_shares` (C,) of predictions that are calibrated with the left-out labels.

    Returns:
        The shares, and the temperature of the calibration.
    """
    temperature = fit_temperature(
        np.concatenate([fold.probs for fold in folds]),
        np.concatenate([fold.labels for fold in folds]),
    )
    others = np.concatenate([fold.others for fold in folds])
    return em_shares(tempered(others, temperature), train_shares), temperature
