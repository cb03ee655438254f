"""The checkpoints whose maps are analysed."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mmengine.config import Config

from mmsemiloc.evaluation.image_scores import Values


@dataclass(frozen=True)
class RunFiles:
    """A run to look at.

    Attributes:
        name: Its name in tables.
        cfg: Its config.
        checkpoints: In the order of the training.
    """

    name: str
    cfg: Config
    checkpoints: list[Path]


@dataclass(frozen=True)
class CheckpointScores:
    """How well the maps of one checkpoint find the object.

    Attributes:
        run: Name of the run.
        checkpoint: The file.
        iteration: Iterations that it was trained for, if the checkpoint says so.
        values: See :func:`followed_values`; empty for images from files, of which neither class
            nor box is known.
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
    """The given files, and all checkpoints of the given folders.

    Those are ``epoch_*.pth`` and ``iter_*.pth``, in the order of their numbers.

    Raises:
        ValueError: If a folder has none.
    """
    found: list[Path] = []
    for path in paths:
        found += checkpoints_in(path) if path.is_dir() else [path]
    return found


def checkpoints_in(folder: Path) -> list[Path]:
    """The checkpoints of a folder, see :func:`find_checkpoints`."""
    names = [
        (file, re.fullmatch(r'(epoch|iter)_(\d+)\.pth', file.name)) for file in folder.iterdir()
    ]
    numbered = sorted((match[1], int(match[2]), file) for file, match in names if match)
    if not numbered:
        raise ValueError(f'no checkpoint in {folder}: looked for epoch_*.pth and iter_*.pth')
    return [file for _, _, file in numbered]


def last_of_each(scores: Sequence[CheckpointScores]) -> list[CheckpointScores]:
    """The last checkpoint of each run."""
    return list({score.run: score for score in scores}.values())
