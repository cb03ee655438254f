"""Settings by cross-validation on the labelled images alone, and an accuracy that is honest."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.stats import binomtest
from torch import Tensor

from mmsemiloc.few_labels.settings import Linear
from mmsemiloc.few_labels.solver import Heads, train_heads


@dataclass(frozen=True)
class Labeled:
    """The labelled images of a set of features.

    Attributes:
        places: Which of the images they are (L,).
        labels: Their classes (L,).
        num_classes: C.
    """

    places: np.ndarray
    labels: np.ndarray
    num_classes: int


@dataclass(frozen=True)
class Choice:
    """What cross-validation says.

    Attributes:
        name: The setting with the most correct labelled images, of equal ones that with the lower
            cross-entropy.
        accuracies: Share (%) of the labelled images that each setting classifies correctly when it
            does not know their labels.
        held_out: Probabilities (L, C) of each labelled image, by a classifier that was trained and
            whose setting was chosen without its label (nested cross-validation).
        fold: Number of the fold that each labelled image is in (L,).
        chosen: For each fold, the setting that is chosen without it.
    """

    name: str
    accuracies: Mapping[str, float]
    held_out: np.ndarray
    fold: np.ndarray
    chosen: Mapping[int, str]

    def accuracy(self, labels: np.ndarray) -> tuple[float, tuple[float, float]]:
        """Accuracy (%) on held-out labels, and its 95 % interval."""
        correct = int((self.held_out.argmax(1) == labels).sum())
        return 100 * correct / len(labels), wilson_interval(correct, len(labels))


def wilson_interval(correct: int, images: int) -> tuple[float, float]:
    """95 % confidence interval (%) of a share, by `Wilson's score
    <https://en.wikipedia.org/wiki/Binomial_proportion_confidence_interval>`_ (1927).

    Example:
        >>> [round(end, 1) for end in wilson_interval(80, 100)]
        [71.1, 86.7]
    """
    interval = binomtest(correct, images).proportion_ci(method='wilson')
    return 100 * float(interval.low), 100 * float(interval.high)


def stratified_folds(labels: np.ndarray, number: int, seed: int = 0) -> np.ndarray:
    """Which fold each image is held out in (L,).

    Each class is dealt out in a random order, so that folds have as equal a share of it as can be.
    A class with at least 2 images has one outside of every fold.

    Args:
        labels: Class of each image (L,).
        number: How many folds, at least 2.
        seed: Of the order.

    Raises:
        ValueError: If there are fewer than 2 folds, or a class has 1 image.
    """
    if number < 2:
        raise ValueError(f'cross-validation needs at least 2 folds, got {number}')
    classes, counts = np.unique(labels, return_counts=True)
    if not len(classes) or counts.min() < 2:
        few = classes[counts < 2].tolist()
        raise ValueError(f'cross-validation needs 2 labelled images of each class; {few} have 1')

    rng, start = np.random.default_rng(seed), 0
    fold = np.empty(len(labels), np.int64)
    for name in classes:
        places = rng.permutation(np.flatnonzero(labels == name))
        fold[places] = (start + np.arange(len(places))) % number
        start += len(places)
    return fold


def train_sets(
    features: Tensor,
    labeled: Labeled,
    sets: Sequence[np.ndarray],
    setting: Linear,
    maps: Tensor | None = None,
) -> Heads:
    """A classifier for each set of labelled images; those of equal size are trained together.

    Args:
        features: See :func:`train_heads`.
        labeled: The labelled images.
        sets: For each classifier, which of the labelled images it knows.
        setting: What they are trained with, and how.
        maps: Maps of all images, for a locality penalty.
    """
    sizes = np.array([len(chosen) for chosen in sets])
    dims = features.size(2)
    weight = features.new_empty(len(sets), labeled.num_classes, dims)
    bias = features.new_empty(len(sets), labeled.num_classes)

    for size in np.unique(sizes):
        group = np.flatnonzero(sizes == size)
        chosen = np.stack([sets[place] for place in group])
        places = torch.from_numpy(labeled.places[chosen])
        labels = torch.from_numpy(labeled.labels[chosen])
        heads = train_heads(
            features, places, labels, labeled.num_classes, setting.method, setting.solver, maps
        )
        weight[group], bias[group] = heads.weight, heads.bias
    return Heads(weight, bias)


def nested_sets(fold: np.ndarray, seed: int, labels: np.ndarray) -> tuple[list, list, list]:
    """The sets of labelled images of a nested cross-validation.

    Returns:
        For each outer fold the images outside of it; for each pair of an outer fold and an inner
        one the images outside of both; and for each pair those that are in the inner fold.
    """
    outer, inner, held = [], [], []
    for number in np.unique(fold):
        known = np.flatnonzero(fold != number)
        outer.append(known)

        # A class that has one image left stays in every inner training set.
        counts = np.bincount(labels[known], minlength=labels.max() + 1)
        several = counts[labels[known]] > 1
        part = np.full(len(known), -1)
        if several.any():
            part[several] = stratified_folds(labels[known][several], len(np.unique(fold)), seed)
        for inside in np.unique(fold):
            inner.append(known[part != inside])
            held.append(known[part == inside])
    return outer, inner, held


def choose(
    features: Tensor,
    labeled: Labeled,
    settings: Mapping[str, Linear],
    *,
    folds: int = 5,
    seed: int = 0,
    done: Callable[[], None] = lambda: None,
) -> Choice:
    """Choose a setting by cross-validation on the labelled images, and measure it on others.

    The accuracy of the chosen setting would be too good, since it was chosen for being high. So
    the choice is made anew without each fold, and that fold is predicted with it.

    Args:
        features: See :func:`train_heads`.
        labeled: The labelled images.
        settings: Settings by name.
        folds: Number of folds, outside and inside.
        seed: Of the folds.
        done: Called after each setting.

    Raises:
        ValueError: If a class has 1 labelled image.
    """
    fold = stratified_folds(labeled.labels, folds, seed)
    outer, inner, held = nested_sets(fold, seed, labeled.labels)
    known = features[0][torch.from_numpy(labeled.places)]
    numbers = np.unique(fold)

    scores = np.empty((len(settings), len(numbers), 2))
    outside = np.empty((len(settings), len(labeled.labels), labeled.num_classes))
    for place, setting in enumerate(settings.values()):
        heads = train_sets(features, labeled, [*outer, *inner], setting)
        probs = heads.logits(known).softmax(2).double().numpy()  # (sets, L, C)

        # Each image is predicted by the classifier that does not know its fold.
        for number, chosen in enumerate(numbers):
            outside[place, fold == chosen] = probs[number, fold == chosen]
            mine = range(number * len(numbers), (number + 1) * len(numbers))
            images = np.concatenate([held[pair] for pair in mine])
            guesses = np.concatenate([probs[len(outer) + pair][held[pair]] for pair in mine])
            scores[place, number] = score(guesses, labeled.labels[images])
        done()

    # The choice for each fold without that fold, and the choice for all.
    names = list(settings)
    picked = np.array([best(scores[:, number]) for number in range(len(numbers))])
    place_of = np.searchsorted(numbers, fold)
    held_out = outside[picked[place_of], np.arange(len(fold))]
    final = np.array([score(probs, labeled.labels) for probs in outside])
    accuracies = {name: float(100 * value) for name, (value, _) in zip(names, final, strict=True)}
    chosen = {int(number): names[place] for number, place in zip(numbers, picked, strict=True)}
    return Choice(names[best(final)], accuracies, held_out, fold, chosen)


def score(probs: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Share of correctly classified images, and minus their cross-entropy."""
    if not len(labels):
        return 0.0, 0.0
    of_label = probs[np.arange(len(labels)), labels]
    return float((probs.argmax(1) == labels).mean()), float(np.log(of_label + 1e-12).mean())


def best(scores: np.ndarray) -> int:
    """Place of the highest accuracy, of equal ones that with the lower cross-entropy."""
    return max(range(len(scores)), key=lambda place: tuple(scores[place]))
