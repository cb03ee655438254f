"""Pictures of how the maps of checkpoints change: of image files, and in strips."""

from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import numpy as np
from torch import nn

from mmsemiloc.inference.photo_predictions import predict
from mmsemiloc.inference.photos import image_pipeline, read_images
from mmsemiloc.study.checkpoint_scores import (
    Advance,
    CheckpointScores,
    Picture,
    RunFiles,
    draw_columns,
    title_of,
)
from mmsemiloc.study.evaluate import load_model
from mmsemiloc.visualization.pictures import draw_column


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


def draw_files(
    runs: Sequence[RunFiles], paths: Sequence[Path], advance: Advance, batch_size: int = 32
) -> tuple[list[CheckpointScores], list[Picture], dict[Path, str]]:
    """Maps of all checkpoints for image files, which have no labels or boxes.

    Returns:
        The checkpoints in order, the pictures, and for each unreadable file the reason.

    Raises:
        ValueError: If a config has no test pipeline, or a checkpoint does not fit or gives no maps.
    """
    scored: list[CheckpointScores] = []
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
                    refuse_without_maps(model, checkpoint)
                part = [
                    Picture(np.ascontiguousarray(p.image[..., ::-1]), np.zeros((0, 4)), p.path.name)
                    for p in seen
                ]
                columns += draw_columns(part, cams, title_of(run, checkpoint, len(runs) > 1))
                faults.update(unreadable)
                pictures += [] if scored else part
                advance(len(images) + len(unreadable), total)
            scored.append(CheckpointScores(run.name, checkpoint, meta.get('iter'), {}, columns))

    return scored, pictures, faults


def last_of_each(scored: Sequence[CheckpointScores]) -> list[CheckpointScores]:
    """The last checkpoint of each run."""
    return list({scores.run: scores for scores in scored}.values())


def draw_strips(
    pictures: Sequence[Picture], scored: Sequence[CheckpointScores]
) -> list[np.ndarray]:
    """For each picture the image and its map at each checkpoint, side by side.

    Of several runs at the last one of each.

    Returns:
        BGR uint8, one an image.
    """
    last = last_of_each(scored)
    shown = last if len(last) > 1 else scored
    alone = [draw_column(picture.image, None, picture.boxes, 'image') for picture in pictures]
    return [
        np.hstack([image, *(scores.columns[index] for scores in shown)])
        for index, image in enumerate(alone)
    ]
