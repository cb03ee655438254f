"""How well the maps of checkpoints find the object, over one run and of several side by side."""

import itertools
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
from mmengine.config import Config
from torch import nn
from torch.utils.data import DataLoader

from mmsemiloc.datasets.checks.classes import check_against_checkpoint
from mmsemiloc.datasets.contents import labels_of
from mmsemiloc.datasets.subsets import subset_loader, subset_of
from mmsemiloc.evaluation import (
    MapScore,
    score_centre_map,
    score_map,
    scored_batches,
    summarize_predictions,
)
from mmsemiloc.study.evaluate import KINDS, build_loader, load_model
from mmsemiloc.visualization.pictures import draw_column, to_bgr

Values = dict[str, float | None]
# Called with the images that are done now, and all that are to do, over all checkpoints.
Advance = Callable[[int, int], None]


@dataclass(frozen=True)
class RunFiles:
    """A run to look at: its name in tables, its config, and its checkpoints in the order of the
    training.
    """

    name: str
    cfg: Config
    checkpoints: list[Path]


@dataclass(frozen=True)
class Picture:
    """An image: BGR uint8 (H, W, 3), its true boxes (N, 4) in pixels, and what it is called."""

    image: np.ndarray
    boxes: np.ndarray
    name: str


@dataclass(frozen=True)
class Images:
    """What is known of the N images without a model.

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


@dataclass(frozen=True)
class CheckpointScores:
    """One checkpoint of a run.

    Attributes:
        run: Name of the run.
        checkpoint: The file.
        iteration: Iterations that it was trained for, if the checkpoint says so.
        values: See :func:`summarize_predictions`; empty for images from files, of which nothing is
            known.
        columns: The pictures with their maps, as :func:`draw_column` draws them.
    """

    run: str
    checkpoint: Path
    iteration: int | None
    values: Values
    columns: list[np.ndarray]


def short_name(checkpoint: Path) -> str:
    """'iter 500' for iter_500.pth."""
    return checkpoint.stem.replace('_', ' ')


def find_checkpoints(paths: Sequence[Path]) -> list[Path]:
    """The given files, and all ``epoch_*.pth`` and ``iter_*.pth`` of the given folders in the order
    of their numbers.

    Raises:
        ValueError: If a folder has none.
    """
    found: list[Path] = []
    for path in paths:
        if not path.is_dir():
            found.append(path)
            continue
        names = {
            file: re.fullmatch(r'(epoch|iter)_(\d+)\.pth', file.name) for file in path.iterdir()
        }
        numbered = sorted((match[1], int(match[2]), file) for file, match in names.items() if match)
        if not numbered:
            raise ValueError(f'no checkpoint in {path}: looked for epoch_*.pth and iter_*.pth')
        found += [file for _, _, file in numbered]

    return found


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
        The values of :func:`summarize_predictions`, the maps of the pictures, and the images.

    Raises:
        ValueError: With the image's path or number, if a map is not finite or a box is not in its
            image.
    """
    images = Images([], [], [], [])
    correct: list[bool] = []
    scores: list[MapScore] = []
    cams: list[np.ndarray] = []
    for batch in scored_batches(model, loader, numbers_of(loader)):
        for seen in batch:
            scores.append(seen.score)
            if seen.label is not None:
                correct.append(seen.predicted == seen.label)
            images.labels.append(seen.label)
            images.sizes.append(seen.size)
            images.boxes.append(seen.boxes)

            # Some of the images are drawn.
            if seen.index in pictures and seen.cam is not None:
                cams.append(seen.cam)
                name = picture_name(seen.index, seen.label, loader)
                images.pictures.append(Picture(to_bgr(seen.image), seen.boxes, name))
        advance(len(batch))
    return summarize_predictions(correct, scores), cams, images


def numbers_of(loader: DataLoader) -> Iterable[int]:
    """What a dataset calls the images of a dataloader, one after the other."""
    sampler = getattr(loader, 'sampler', None)
    return sampler if isinstance(sampler, list) else itertools.count()


def picture_name(index: int, label: int | None, loader: DataLoader) -> str:
    """Number of an image, and its class if that is known."""
    classes = getattr(loader.dataset, 'metainfo', {}).get('classes') or ()
    if label is None or label >= len(classes):
        return f'image {index}'
    return f'image {index}, class {classes[label]}'


def baselines(images: Images) -> dict[str, Values]:
    """Values of uninformed baselines, a uniform map and ``centre_map``.

    There are none if no image has a box.
    """
    if not images.boxed:
        return {}

    pairs = list(zip(images.sizes, images.boxes, strict=True))
    uniform = [score_map(np.ones(size), boxes) for size, boxes in pairs]
    centre = [score_centre_map(size, boxes) for size, boxes in pairs]
    return {
        'uniform map': summarize_predictions([], uniform),
        'centre map': summarize_predictions([], centre),
    }


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
    scored: list[CheckpointScores] = []
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
                check_against_checkpoint(
                    loader.dataset, cast(int, model.head.num_classes), meta, KINDS[split]
                )
            values, cams, images = score_images(
                model, part, pictures, lambda count: advance(count, total)
            )
            first = first or images
            if images.labels != first.labels:
                raise ValueError(
                    f'{run.name} and {runs[0].name} are measured on different images: '
                    f'{len(images.labels)} and {len(first.labels)} in the {split} split, or with '
                    'other labels'
                )
            columns = draw_columns(images.pictures, cams, title_of(run, checkpoint, len(runs) > 1))
            scored.append(CheckpointScores(run.name, checkpoint, meta.get('iter'), values, columns))

    assert first is not None
    return scored, first


def draw_columns(
    pictures: Sequence[Picture], cams: Sequence[np.ndarray], title: str
) -> list[np.ndarray]:
    """The pictures with their maps."""
    return [
        draw_column(picture.image, cam, picture.boxes, title)
        for picture, cam in zip(pictures, cams, strict=True)
    ]


def title_of(run: RunFiles, checkpoint: Path, several: bool) -> str:
    """Title of a column: the run's name if there are several, else the checkpoint's."""
    return run.name if several else short_name(checkpoint)
