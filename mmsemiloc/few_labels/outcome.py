"""What `fit` found out about the photographs of a folder."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np


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
