"""What `fit` found out about the photographs of a folder."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy.stats import binomtest

from mmsemiloc.few_labels.selection import wilson_interval

ROUNDING = 1e-5  # by which a probability may be above 1


@dataclass(frozen=True)
class Comparison:
    """The frozen and the fine-tuned classifier on the same images, whose labels neither knew.

    Attributes:
        frozen: Which images the frozen one classifies correctly (H,).
        finetuned: Which ones the fine-tuned one does (H,).
        steps: Steps of the fine-tuning.
    """

    frozen: np.ndarray
    finetuned: np.ndarray
    steps: int

    def accuracies(self) -> list[tuple[str, float, tuple[float, float]]]:
        """Accuracy (%) of both and its 95 % interval, by the name."""
        return [
            (name, 100 * float(right.mean()), wilson_interval(int(right.sum()), len(right)))
            for name, right in (('frozen', self.frozen), ('fine-tuned', self.finetuned))
        ]

    def gained(self) -> tuple[int, int]:
        """How many images the fine-tuned one alone gets right, and how many the frozen one alone.

        These are what the two differ in.
        """
        return int((self.finetuned & ~self.frozen).sum()), int(
            (self.frozen & ~self.finetuned).sum()
        )

    def verdict(self) -> str:
        """Whether fine-tuning helps, by the exact sign test of McNemar at 5 %."""
        more, less = self.gained()
        if more + less == 0 or binomtest(more, more + less).pvalue > 0.05:
            return 'The difference is within chance: keep the frozen one, or label more images.'
        return f'The {"fine-tuned" if more > less else "frozen"} one is better.'

    def lines(self) -> list[str]:
        """What is said about it."""
        (_, first, (low, high)), (_, second, (low2, high2)) = self.accuracies()
        more, less = self.gained()
        return [
            f'On {len(self.frozen)} labelled images that both did not know: frozen {first:.1f} % '
            f'({low:.1f} to {high:.1f} %), fine-tuned {second:.1f} % ({low2:.1f} to {high2:.1f} '
            f'%). Right by the fine-tuned one alone: {more}, by the frozen one alone: {less}. '
            f'{self.verdict()}'
        ]


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
        finetuned: What training the backbone too brought; None if it was not trained.
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
    finetuned: Comparison | None = None


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
