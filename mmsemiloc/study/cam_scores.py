"""How well the maps of checkpoints find the object: over one run, and of several side by side."""

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from torch import nn
from torch.utils.data import DataLoader

from mmsemiloc.datasets.checks.classes import check_against_checkpoint
from mmsemiloc.datasets.contents import labels_of
from mmsemiloc.datasets.subsets import subset_loader, subset_of
from mmsemiloc.evaluation.image_scores import ImageScore, Values, followed_values, update
from mmsemiloc.evaluation.scoring import scored_batches
from mmsemiloc.inference.trained_model import load_model
from mmsemiloc.study.cam_checkpoints import CheckpointScores, RunFiles
from mmsemiloc.study.cam_pictures import Advance, Picture, draw_columns, title_of
from mmsemiloc.study.evaluate import KINDS, build_loader
from mmsemiloc.visualization.pictures import to_bgr


@dataclass(frozen=True)
class Images:
    """What is known of N images without a model.

    Attributes:
        labels: True classes; None for an image without a label.
        sizes: (H, W) of each.
        boxes: True boxes of each (B, 4); B may be 0.
        pictures: Some images.
    """

    labels: list[int | None]
    sizes: list[tuple[int, int]]
    boxes: list[np.ndarray]
    pictures: list[Picture]

    @property
    def boxed(self) -> int:
        """How many images have a box."""
        return sum(len(boxes) > 0 for boxes in self.boxes)


def score_images(
    model: nn.Module,
    loader: DataLoader,
    pictures: Sequence[int] = (),
    advance: Callable[[int], None] = lambda count: None,
) -> tuple[Values, list[np.ndarray], Images]:
    """Score a classifier's maps of the predicted classes on the images of a dataloader.

    Args:
        model: As for :func:`class_maps`, with its ``data_preprocessor``.
        loader: Batches of ``inputs`` and ``data_samples``; for some images see
            :func:`subset_loader`.
        pictures: Numbers of the images to keep, as their dataset counts them.
        advance: Called after each batch with its number of images.

    Returns:
        The values of :func:`followed_values`, the maps of the pictures, and the images.

    Raises:
        ValueError: With the image's path or number, if a map is not finite or a box is not in its
            image.
    """
    images = Images([], [], [], [])
    scores: list[ImageScore] = []
    cams: list[np.ndarray] = []
    for batch in scored_batches(model, loader, numbers_of(loader)):
        for seen in batch:
            scores.append(seen.score)
            images.labels.append(seen.label)
            images.sizes.append(seen.size)
            images.boxes.append(seen.boxes)

            # Pixels and maps of all images would need too much memory.
            if seen.index in pictures and seen.cam is not None:
                cams.append(seen.cam)
                name = picture_name(seen.index, seen.label, loader)
                images.pictures.append(Picture(to_bgr(seen.image), seen.boxes, name))
        advance(len(batch))
    return followed_values(scores), cams, images


def numbers_of(loader: DataLoader) -> Iterable[int]:
    """What a dataset calls the images of a dataloader, one after the other."""
    sampler = getattr(loader, 'sampler', None)
    return sampler if isinstance(sampler, list) else itertools.count()


def picture_name(index: int, label: int | None, loader: DataLoader) -> str:
    """Number of an image, and its class if that is known."""
    classes = getattr(loader.dataset, 'metainfo', {}).get('classes') or ()
    return (
        f'image {index}'
        if label is None or label >= len(classes)
        else f'image {index}, class {classes[label]}'
    )


def baselines(images: Images) -> dict[str, Values]:
    """Values of the uninformed baselines, see ``centre_map``; none if no image has a box."""
    if not images.boxed:
        return {}
    pairs = zip(images.sizes, images.boxes, strict=True)
    scores = [update(size, boxes) for size, boxes in pairs]
    return {f'{name} map': followed_values(scores, name) for name in ('uniform', 'centre')}


def check_same_images(run: str, images: Images, first_run: str, first: Images, split: str) -> None:
    """Check that two runs are measured on the same images.

    Raises:
        ValueError: With the names of the runs, if the numbers of images or their labels differ.
    """
    if images.labels != first.labels:
        raise ValueError(
            f'{run} and {first_run} are measured on different images: {len(images.labels)} and '
            f'{len(first.labels)} in the {split} split, or with other labels'
        )


def analyze(
    runs: Sequence[RunFiles],
    split: str,
    num_images: int | None,
    num_pictures: int,
    advance: Advance,
    seed: int = 0,
) -> tuple[list[CheckpointScores], Images]:
    """Score all checkpoints of all runs, each on the split of its own config.

    Args:
        runs: At least one.
        split: 'val' or 'test'.
        num_images: How many images to score, the classes evenly; None for all.
        num_pictures: How many of them to draw, the classes evenly.
        advance: Called after each batch with its number of images and that of all.
        seed: Of the choice of images, which is the same for all runs.

    Returns:
        The checkpoints in order, and the images, with the pictures of the first run.

    Raises:
        ValueError: If a checkpoint does not fit, gives no maps, or the runs have different images.
    """
    scores: list[CheckpointScores] = []
    first: Images | None = None
    loaders = [build_loader(run.cfg, split) for run in runs]
    chosen = [subset_of(loader.dataset, num_images, seed) for loader in loaders]
    total = sum(len(run.checkpoints) * len(part) for run, part in zip(runs, chosen, strict=True))
    for run, loader, indices in zip(runs, loaders, chosen, strict=True):
        # The choice of a smaller number is in that of a larger one.
        pictures = subset_of(loader.dataset, min(num_pictures, len(indices)), seed).tolist()
        part = subset_loader(loader, indices)
        for checkpoint in run.checkpoints:
            model, meta = load_model(run.cfg, str(checkpoint))
            if labels_of(loader.dataset) is not None:
                classes = cast(int, model.head.num_classes)
                check_against_checkpoint(loader.dataset, classes, meta, KINDS[split])
            values, cams, images = score_images(
                model, part, pictures, lambda count: advance(count, total)
            )
            first = first or images
            check_same_images(run.name, images, runs[0].name, first, split)

            title = title_of(run, checkpoint, len(runs) > 1)
            columns = draw_columns(images.pictures, cams, title)
            iteration = meta.get('iter')
            scores.append(CheckpointScores(run.name, checkpoint, iteration, values, columns))
    assert first is not None
    return scores, first
