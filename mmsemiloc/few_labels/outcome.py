"""What `fit` found out about the photographs of a folder."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

ROUNDING = 1e-5  # by which a probability may be above 1


@dataclass(frozen=True)
class Outcome:
    """What was found out about the photographs of a folder.

    Attributes:
        classes: Names of the C classes.
        labeled: Files of the labelled images.
        labels: Their classes (L,).
        held_out: Probabilities (L, C) of each labelled image, from a classifier that was trained
            and chosen without its label.
        accuracy: Share (%) of the labelled images that ``held_out`` classifies correctly.
        interval: Its 95 % confidence interval (%).
        settings: What was compared by cross-validation, and its accuracy there (%); the chosen one
            is first.
        unlabeled: Files of the unlabelled images that could be read.
        probabilities: Those of the final classifier for them (U, C).
        faults: Reason for each file that could not be read.
        maps: Class activation map (h, w) of the predicted class for some files.
        plan: What was done, in lines of text.
    """

    classes: Sequence[str]
    labeled: Sequence[Path]
    labels: np.ndarray
    held_out: np.ndarray
    accuracy: float
    interval: tuple[float, float]
    settings: Sequence[tuple[str, float]]
    unlabeled: Sequence[Path]
    probabilities: np.ndarray
    faults: Mapping[Path, str] = field(default_factory=dict)
    maps: Mapping[Path, np.ndarray] = field(default_factory=dict)
    plan: Sequence[str] = ()


def check_outcome(outcome: Outcome) -> None:
    """Whether the parts of an outcome fit together.

    Raises:
        ValueError: If they do not.
    """
    classes, labels = len(outcome.classes), outcome.labels
    if classes < 2 or not len(labels):
        raise ValueError(
            'a report needs at least 2 classes and 1 labelled image, '
            f'got {classes} and {len(labels)}'
        )
    if labels.shape != (len(outcome.labeled),) or not ((labels >= 0) & (labels < classes)).all():
        raise ValueError(
            f'labels must be {len(outcome.labeled)} numbers from 0 to {classes - 1}, '
            f'got shape {labels.shape}, {labels.min()} to {labels.max()}'
        )

    # Predictions: one row for each file.
    for name, values, files in (
        ('held_out', outcome.held_out, outcome.labeled),
        ('probabilities', outcome.probabilities, outcome.unlabeled),
    ):
        if values.shape != (len(files), classes):
            raise ValueError(f'{name} must have shape {(len(files), classes)}, got {values.shape}')
        wrong = ~((values >= 0) & (values <= 1 + ROUNDING))
        if wrong.any():
            raise ValueError(f'{name} must be from 0 to 1, got {values[wrong][0]}')

    # The answer is that of the predictions below it.
    accuracy = 100 * float((outcome.held_out.argmax(1) == labels).mean())
    if not abs(outcome.accuracy - accuracy) < 0.1:
        raise ValueError(
            f'accuracy must be that of held_out, {accuracy:.1f} %, got {outcome.accuracy}'
        )
    low, high = outcome.interval
    if not 0 <= low <= high <= 100:
        raise ValueError(f'interval must be two rising numbers from 0 to 100, got {(low, high)}')

    for file, cam in outcome.maps.items():
        if cam.ndim != 2 or not cam.size or not np.isfinite(cam).all():
            raise ValueError(f'the map of {file} must be finite numbers (h, w), got {cam.shape}')
