"""How well the maps of checkpoints find the object: over one training, and of several side by side."""

import itertools
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, cast

import numpy as np
from mmengine.config import Config
from torch import nn
from torch.utils.data import DataLoader

from mmsemiloc.datasets.checks.classes import check_against_checkpoint
from mmsemiloc.datasets.contents import labels_of
from mmsemiloc.datasets.subsets import subset_loader, subset_of
from mmsemiloc.evaluation import (
    MapScore,
    predict_with_maps,
    score_centre_map,
    score_map,
    score_sample,
    summarize_predictions,
    true_boxes,
)
from mmsemiloc.study.evaluate import KINDS, build_loader, load_model
from mmsemiloc.study.predict import image_pipeline, predict, read_images
from mmsemiloc.visualization.cam_strips import draw_column, to_bgr

Values = dict[str, float | None]
Advance = Callable[
    [int, int], None
]  # images that are done now, and all that are to do, over all checkpoints


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
class Moment:
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
    numbers = iter(numbers_of(loader))
    for data in loader:
        logits, maps = predict_with_maps(model, data)
        predictions = logits.argmax(1).tolist()
        samples = data['data_samples']
        for image, cam, sample, predicted in zip(
            data['inputs'], maps, samples, predictions, strict=True
        ):
            label = int(sample.gt_label) if 'gt_label' in sample else None
            boxes, index = true_boxes(sample), next(numbers)
            scores.append(score_sample(cam, sample, index))
            if label is not None:
                correct.append(predicted == label)
            images.labels.append(label)
            images.sizes.append(cam.shape)
            images.boxes.append(boxes)
            if index in pictures:
                cams.append(cam)
                images.pictures.append(
                    Picture(to_bgr(image), boxes, picture_name(index, label, loader))
                )
        advance(len(maps))
    return summarize_predictions(correct, scores), cams, images


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
    """Values of maps that know nothing, see ``centre_map``; none if no image has a box."""
    if not images.boxed:
        return {}
    pairs = list(zip(images.sizes, images.boxes, strict=True))
    return {
        'uniform map': summarize_predictions(
            [], [score_map(np.ones(size), boxes) for size, boxes in pairs]
        ),
        'centre map': summarize_predictions(
            [], [score_centre_map(size, boxes) for size, boxes in pairs]
        ),
    }


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


def analyze(
    runs: Sequence[RunFiles],
    split: str,
    num_images: int | None,
    num_pictures: int,
    advance: Advance,
    seed: int = 0,
) -> tuple[list[Moment], Images]:
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
    moments: list[Moment] = []
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
            moments.append(Moment(run.name, checkpoint, meta.get('iter'), values, columns))
    assert first is not None
    return moments, first


def class_maps_needed(model: nn.Module, checkpoint: Path) -> NoReturn:
    """Say that a model has nothing to draw.

    Raises:
        ValueError: Always.
    """
    raise ValueError(
        f'{checkpoint}: no class activation maps to draw, which need a linear head '
        f'over average-pooled maps, but {type(model.head).__name__} over '
        f'{type(model.backbone).__name__} is not one'
    )


def draw_files(
    runs: Sequence[RunFiles], paths: Sequence[Path], advance: Advance, batch_size: int = 32
) -> tuple[list[Moment], list[Picture], dict[Path, str]]:
    """Maps of all checkpoints for image files, which have no labels or boxes.

    Returns:
        The checkpoints in order, the pictures, and for each unreadable file the reason.

    Raises:
        ValueError: If a config has no test pipeline, or a checkpoint does not fit or gives no maps.
    """
    moments: list[Moment] = []
    pictures: list[Picture] = []
    faults: dict[Path, str] = {}
    total = len(paths) * sum(len(run.checkpoints) for run in runs)
    for run in runs:
        pipeline = image_pipeline(run.cfg)
        for checkpoint in run.checkpoints:
            model, meta = load_model(run.cfg, str(checkpoint))
            columns: list[np.ndarray] = []
            for start in range(0, len(paths), batch_size):
                images, unreadable = read_images(paths[start : start + batch_size], pipeline)
                seen = predict(model, images, topk=1, threshold=0.5)
                cams = [p.cam for p in seen if p.cam is not None]
                if len(cams) < len(seen):
                    class_maps_needed(model, checkpoint)
                part = [
                    Picture(np.ascontiguousarray(p.image[..., ::-1]), np.zeros((0, 4)), p.path.name)
                    for p in seen
                ]
                columns += draw_columns(part, cams, title_of(run, checkpoint, len(runs) > 1))
                faults.update(unreadable)
                pictures += [] if moments else part
                advance(len(images) + len(unreadable), total)
            moments.append(Moment(run.name, checkpoint, meta.get('iter'), {}, columns))
    return moments, pictures, faults


def last_of_each(moments: Sequence[Moment]) -> list[Moment]:
    """The last checkpoint of each run."""
    return list({moment.run: moment for moment in moments}.values())


def draw_strips(pictures: Sequence[Picture], moments: Sequence[Moment]) -> list[np.ndarray]:
    """For each picture the image and its map at each checkpoint, side by side.

    Of several runs at the last one of each.

    Returns:
        BGR uint8, one an image.
    """
    last = last_of_each(moments)
    shown = last if len(last) > 1 else moments
    alone = [draw_column(picture.image, None, picture.boxes, 'image') for picture in pictures]
    return [
        np.hstack([image, *(moment.columns[index] for moment in shown)])
        for index, image in enumerate(alone)
    ]
