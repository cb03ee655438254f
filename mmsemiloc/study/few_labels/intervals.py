"""Differences of two methods, with intervals that cover the draws and the test images."""

from dataclasses import dataclass

import numpy as np

RESAMPLES = 2000


@dataclass(frozen=True)
class Difference:
    """A difference in points with its 95 % interval."""

    value: float
    low: float
    high: float

    def text(self) -> str:
        """Such as '+2.1 [+0.8, +3.3]'; without ends for one draw."""
        if np.isnan(self.low):
            return f'{self.value:+.1f}'
        return f'{self.value:+.1f} [{self.low:+.1f}, {self.high:+.1f}]'


def groups_of(labels: np.ndarray, metric: str) -> list[np.ndarray]:
    """The test images over whose shares the metric is a mean: all, or those of each class."""
    if metric == 'accuracy':
        return [np.arange(len(labels))]
    return [np.flatnonzero(labels == label) for label in np.unique(labels)]


def value_of(predictions: np.ndarray, labels: np.ndarray, metric: str) -> float:
    """Accuracy or mean recall (%) of predictions (T,)."""
    correct = predictions == labels
    return float(100 * np.mean([correct[group].mean() for group in groups_of(labels, metric)]))


class Bootstrap:
    """Intervals by a two-level bootstrap: draws and test images are drawn again.

    Both are drawn with replacement, ``RESAMPLES`` times, the same for all differences. The interval
    is that of percentiles (Efron 1979, `Davison and Hinkley 1997
    <https://doi.org/10.1017/CBO9780511802843>`_, section 5.3).

    Args:
        labels: Classes of the test images (T,).
        draws: Number of draws.
        metric: 'accuracy' or 'mean_recall'.
        seed: Of the resamples.
    """

    def __init__(self, labels: np.ndarray, draws: int, metric: str, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.labels, self.groups = labels, groups_of(labels, metric)
        self.of_draws = counts_of(rng, draws)
        self.of_images = counts_of(rng, len(labels))

    def difference(self, first: np.ndarray, second: np.ndarray) -> Difference:
        """``first`` minus ``second``, predictions (D, T) of the same draws.

        The ends are NaN for one draw.
        """
        hits = (first == self.labels).astype(np.float32) - (second == self.labels)
        value = 100 * float(np.mean([hits[:, group].mean() for group in self.groups]))
        if len(hits) == 1:
            return Difference(value, float('nan'), float('nan'))

        # A resample without an image of a class says nothing about it.
        weights = self.of_draws / len(hits)
        parts = []
        for group in self.groups:
            images = self.of_images[:, group]
            with np.errstate(invalid='ignore'):
                parts.append(((weights @ hits[:, group]) * images).sum(1) / images.sum(1))
        low, high = np.nanpercentile(100 * np.mean(parts, 0), [2.5, 97.5])
        return Difference(value, float(low), float(high))


def counts_of(rng: np.random.Generator, number: int) -> np.ndarray:
    """How often each of ``number`` things is in each resample (RESAMPLES, number)."""
    drawn = rng.integers(number, size=(RESAMPLES, number))
    return np.stack([np.bincount(row, minlength=number) for row in drawn]).astype(np.float32)
