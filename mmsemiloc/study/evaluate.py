"""Predictions and maps of a trained classifier on a split, and how good they are."""

import copy
import io
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import DataLoader

from mmsemiloc.datasets.checks.box_motion import check_moves_boxes
from mmsemiloc.datasets.checks.classes import check_against_checkpoint
from mmsemiloc.datasets.subsets import subset_of
from mmsemiloc.datasets.tolerant_dataset import tolerant
from mmsemiloc.evaluation import MapScore, ScoredImage, scored_batches, true_class
from mmsemiloc.evaluation.map_scores import box_accuracy, max_box_acc_v2
from mmsemiloc.files import write_whole
from mmsemiloc.inference.trained_model import load_model
from mmsemiloc.visualization.pictures import to_bgr

NO_SCORE = MapScore(area=float('nan'))  # of an image without a map
KINDS = {'val': 'validation', 'test': 'test'}  # what the images of a split are called in messages


@dataclass(frozen=True)
class Examples:
    """Some images of a split.

    Attributes:
        images: RGB uint8 (N, H, W, 3).
        cams: Maps of the predicted class (N, H, W); NaN of a model without maps.
        boxes: True boxes (N, B, 4) [x1, y1, x2, y2] in pixels; B is 0 without boxes.
    """

    images: np.ndarray
    cams: np.ndarray
    boxes: np.ndarray


@dataclass(frozen=True)
class Evaluation:
    """Predictions on N images.

    Attributes:
        classes: Names of the classes (C,).
        labels: True classes (N,).
        probabilities: (N, C).
        cam_in_box: Share (0 to 1) of the energy of the predicted class's CAM inside the true box
            (N,); NaN without a box or a map.
        cam_area: Share (0 to 1) of that CAM above half of its maximum (N,); NaN without a map.
        box_area: Share (0 to 1) of the image that the true box covers (N,); NaN without a box.
        hits: ``MapScore.hits`` of that CAM, one row for each image with a box and a map
            (up to N, 128).
        centre_hits: The same of an uninformed baseline, see ``centre_map``.
        examples: Some images, with their maps.
    """

    classes: np.ndarray
    labels: np.ndarray
    probabilities: np.ndarray
    cam_in_box: np.ndarray
    cam_area: np.ndarray
    box_area: np.ndarray
    hits: np.ndarray
    centre_hits: np.ndarray
    examples: Examples

    @property
    def predicted(self) -> np.ndarray:
        """Most probable classes (N,)."""
        return self.probabilities.argmax(1)

    def save(self, path: Path) -> None:
        """Write an .npz file that is never half written."""
        arrays = {**vars(self), **vars(self.examples)}
        del arrays['examples']
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)
        write_whole(path, buffer.getvalue())

    @classmethod
    def load(cls, path: Path) -> 'Evaluation':
        """Read what :meth:`save` wrote."""
        with np.load(path) as file:
            arrays = dict(file)
        examples = Examples(*(arrays.pop(key) for key in ('images', 'cams', 'boxes')))
        return cls(examples=examples, **arrays)


def summarize(evaluation: Evaluation) -> dict[str, int | float | None]:
    """Accuracy, mean recall, classes used, size and correctness of the CAM, as in ``Result``."""
    labels, correct = evaluation.labels, evaluation.predicted == evaluation.labels
    recalls = [correct[labels == label].mean() for label in np.unique(labels)]

    # Known only with boxes, and with maps.
    boxed, mapped = len(evaluation.centre_hits) > 0, len(evaluation.hits) > 0
    area = evaluation.cam_area.mean()

    return dict(
        accuracy=float(correct.mean() * 100),
        mean_recall=float(np.mean(recalls) * 100),
        classes_used=len(np.unique(evaluation.predicted)),
        num_classes=evaluation.probabilities.shape[1],
        max_box_acc_v2=max_box_acc_v2(box_accuracy(evaluation.hits)) if mapped else None,
        cam_in_box=float(np.nanmean(evaluation.cam_in_box) * 100) if mapped else None,
        cam_area=float(area * 100) if np.isfinite(area) else None,
        box_area=float(np.nanmean(evaluation.box_area) * 100) if boxed else None,
        centre_box_acc_v2=max_box_acc_v2(box_accuracy(evaluation.centre_hits)) if boxed else None,
    )


def confusion_matrix(evaluation: Evaluation) -> np.ndarray:
    """Counts (C, C): row the true class, column the predicted one."""
    counts = np.zeros([evaluation.probabilities.shape[1]] * 2, int)
    np.add.at(counts, (evaluation.labels, evaluation.predicted), 1)
    return counts


def evaluate(model: nn.Module, loader: DataLoader, num_examples: int = 12) -> Evaluation:
    """Run a classifier over a split, batch after batch.

    The map of an image is that of the predicted class, scaled to the size of the network's input;
    ``data_sample.gt_bboxes``, if there are any, must be in pixels of that input.

    Args:
        model: A classifier in evaluation mode; there are maps only with a linear head over
            average-pooled maps.
        loader: Batches of ``inputs`` and ``data_samples``; the dataset's metainfo may name the
            ``classes``.
        num_examples: How many images to keep, at least 1: the classes evenly.

    Raises:
        ValueError: With the image, if a map is not finite, a box is not in its image, or it has no
            label.
    """
    kept = set(subset_of(loader.dataset, num_examples).tolist())
    batches = scored_batches(model, loader, need_maps=False, baselines=True)

    # Pixels and maps of all images would need too much memory.
    labels: list[int] = []
    probabilities: list[np.ndarray] = []
    scores: list[dict[str, MapScore]] = []
    examples: list[tuple[np.ndarray, ...]] = []
    for seen in itertools.chain.from_iterable(batches):
        labels.append(true_class(seen.sample, seen.index))
        probabilities.append(seen.probabilities)
        scores.append(seen.score.maps)
        if seen.index in kept:
            examples.append(example_of(seen))

    top1 = [maps.get('top1', NO_SCORE) for maps in scores]
    classes = getattr(loader.dataset, 'metainfo', {}).get('classes')
    return Evaluation(
        classes=np.array([str(name) for name in classes or range(len(probabilities[0]))]),
        labels=np.array(labels),
        probabilities=np.stack(probabilities),
        cam_in_box=np.array([score.in_box for score in top1]),
        cam_area=np.array([score.area for score in top1]),
        # The share of a constant map that lies in the box.
        box_area=np.array([maps['uniform'].in_box for maps in scores]),
        hits=stack_hits(top1),
        centre_hits=stack_hits([maps['centre'] for maps in scores]),
        examples=stack_examples(examples),
    )


def example_of(seen: ScoredImage) -> tuple[np.ndarray, ...]:
    """Pixels, map and boxes of an image, as in :class:`Examples`; cached features are no pixels."""
    cam = np.full(seen.size, np.nan, np.float32) if seen.cam is None else seen.cam
    pixels = len(seen.image) in (1, 3)
    picture = to_bgr(seen.image)[..., ::-1] if pixels else np.zeros((*seen.size, 3), np.uint8)
    return picture, cam, seen.boxes


def stack_examples(examples: Sequence[tuple[np.ndarray, ...]]) -> Examples:
    """The examples that have the sizes of the first one: others cannot stand in one array."""
    sizes = [[part.shape for part in example] for example in examples]
    alike = [example for example, size in zip(examples, sizes, strict=True) if size == sizes[0]]
    return Examples(*(np.stack(parts) for parts in zip(*alike, strict=True)))


def stack_hits(scores: Sequence[MapScore]) -> np.ndarray:
    """``MapScore.hits`` of the images that have boxes and maps (K, 128)."""
    hits = [score.hits for score in scores if score.hits is not None]
    return np.reshape(hits, (-1, 128)).astype(np.uint8)


def build_loader(cfg: Config, split: str) -> DataLoader:
    """The ``val`` or ``test`` dataloader of a config, whose errors name the image.

    Raises:
        ValueError: If the config has none, or a transform moves the pixels of its images without
            their boxes.
    """
    if cfg.get(f'{split}_dataloader') is None:
        raise ValueError(f'the config has no {split}_dataloader')

    init_default_scope(cfg.get('default_scope', 'mmpretrain'))
    kind = KINDS[split]
    parts = copy.copy(cfg[f'{split}_dataloader'])
    parts['dataset'] = tolerant(parts['dataset'], kind=kind)
    loader = Runner.build_dataloader(parts, seed=0)
    check_moves_boxes(loader.dataset, kind)
    return loader


def evaluate_checkpoint(cfg: Config, checkpoint: str, split: str) -> Evaluation:
    """:func:`evaluate` a checkpoint on the ``val`` or ``test`` dataloader of its config."""
    loader = build_loader(cfg, split)
    model, meta = load_model(cfg, checkpoint)
    check_against_checkpoint(loader.dataset, cast(int, model.head.num_classes), meta, KINDS[split])
    return evaluate(model, loader)
