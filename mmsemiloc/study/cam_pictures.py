"""Pictures of the maps of checkpoints."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
from mmengine.dataset import Compose
from torch import nn

from mmsemiloc.inference.photo_predictions import Prediction, predict
from mmsemiloc.inference.photos import image_pipeline, read_images
from mmsemiloc.inference.trained_model import load_model
from mmsemiloc.study.cam_checkpoints import CheckpointScores, RunFiles, last_of_each, short_name
from mmsemiloc.visualization.pictures import draw_column

# Called with the images that are done now, and all that are to do, over all checkpoints.
Advance = Callable[[int, int], None]


@dataclass(frozen=True)
class Picture:
    """An image that is drawn.

    Attributes:
        image: BGR uint8 (H, W, 3).
        boxes: True boxes (N, 4) in pixels; N may be 0.
        name: What it is called.
    """

    image: np.ndarray
    boxes: np.ndarray
    name: str


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


def refuse_without_maps(model: nn.Module, checkpoint: Path) -> NoReturn:
    """Say that a model has nothing to draw.

    Raises:
        ValueError: Always.
    """
    raise ValueError(
        f'{checkpoint}: no class activation maps to draw, which need a linear head '
        f'over average-pooled maps, but {type(model.head).__name__} over '
        f'{type(model.backbone).__name__} is not one'
    )


def predict_photos(
    model: nn.Module, paths: Sequence[Path], pipeline: Compose, batch_size: int
) -> Iterator[tuple[list[Prediction], dict[Path, str]]]:
    """The predictions of each batch of files, and its unreadable files with the reasons."""
    for start in range(0, len(paths), batch_size):
        images, unreadable = read_images(paths[start : start + batch_size], pipeline)
        yield predict(model, images, topk=1, threshold=0.5), unreadable


def draw_files(
    runs: Sequence[RunFiles], paths: Sequence[Path], advance: Advance, batch_size: int = 32
) -> tuple[list[CheckpointScores], list[Picture], dict[Path, str]]:
    """Maps of all checkpoints for image files, which have no labels or boxes.

    Returns:
        The checkpoints in order, the pictures, and for each unreadable file the reason.

    Raises:
        ValueError: If a config has no test pipeline, or a checkpoint does not fit or gives no maps.
    """
    drawn: list[CheckpointScores] = []
    pictures: list[Picture] = []
    faults: dict[Path, str] = {}
    total = len(paths) * sum(len(run.checkpoints) for run in runs)
    for run, checkpoint in ((each, file) for each in runs for file in each.checkpoints):
        pipeline = image_pipeline(run.cfg)
        model, meta = load_model(run.cfg, str(checkpoint))
        title = title_of(run, checkpoint, len(runs) > 1)
        columns: list[np.ndarray] = []
        for seen, unreadable in predict_photos(model, paths, pipeline, batch_size):
            cams = [each.cam for each in seen if each.cam is not None]
            if len(cams) < len(seen):
                refuse_without_maps(model, checkpoint)
            part = [
                Picture(
                    np.ascontiguousarray(each.image[..., ::-1]), np.zeros((0, 4)), each.path.name
                )
                for each in seen
            ]

            # The images are those of the first checkpoint: another config may resize differently.
            pictures += [] if drawn else part
            columns += draw_columns(part, cams, title)
            faults.update(unreadable)
            advance(len(seen) + len(unreadable), total)
        drawn.append(CheckpointScores(run.name, checkpoint, meta.get('iter'), {}, columns))
    return drawn, pictures, faults


def draw_strips(
    pictures: Sequence[Picture], scores: Sequence[CheckpointScores]
) -> list[np.ndarray]:
    """For each picture the image and its map at each checkpoint, side by side.

    Of several runs at the last one of each.

    Returns:
        BGR uint8, one per image.
    """
    last = last_of_each(scores)
    shown = last if len(last) > 1 else scores
    alone = [draw_column(picture.image, None, picture.boxes, 'image') for picture in pictures]
    return [
        np.hstack([image, *(score.columns[index] for score in shown)])
        for index, image in enumerate(alone)
    ]
