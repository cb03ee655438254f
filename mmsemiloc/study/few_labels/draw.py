"""One draw of the labels: a setting for each method by cross-validation, then the test images."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mmsemiloc.datasets.few_labels import draw_labels
from mmsemiloc.few_labels.projection import Projection
from mmsemiloc.few_labels.selection import Labeled, best, stratified_folds, train_sets
from mmsemiloc.study.few_labels.image_sets import Features, ImageSet
from mmsemiloc.study.few_labels.outsiders import UNLABELED
from mmsemiloc.study.few_labels.rows import Linear, Row, Setting

FOLDS = 3


@dataclass(frozen=True)
class Outcome:
    """What a method gave on one draw.

    Attributes:
        setting: Name of the setting that cross-validation chose.
        held_out: Its share (%) of held-out labelled images that are correctly classified; NaN if
            nothing could be held out.
        predictions: Class of each test image (T,).
    """

    setting: str
    held_out: float
    predictions: np.ndarray


@dataclass(frozen=True)
class Draw:
    """The images of a draw, as every method takes them.

    Attributes:
        train: Projected features (1 + V, N, d) of its training images.
        labeled: Which of them are labelled, with their classes.
        fold: In which fold each labelled image is held out (L,); None if nothing can be.
        test: Projected features of the test images (T, d).
        maps: Projected maps (N, d, H, W).
    """

    train: Tensor
    labeled: Labeled
    fold: np.ndarray | None
    test: Tensor
    maps: Tensor


def random_labels(labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Indices (count,) of labelled images that are drawn at random, in ascending order.

    It is drawn again until each class has two, one to learn from and one to hold out.

    Raises:
        ValueError: If no draw of a thousand has.
    """
    rng = np.random.default_rng([seed, 2])
    classes = np.unique(labels)
    for _ in range(1000):
        known = np.sort(rng.permutation(len(labels))[:count])
        if all((labels[known] == label).sum() >= 2 for label in classes):
            return known
    raise ValueError(f'{count} labels drawn at random do not have 2 of each class: draw more')


def make_draw(features: Features, chosen: ImageSet, per_class: int, seed: int) -> Draw:
    """Draw training images, then the labelled ones among them.

    Args:
        features: Those of all images.
        chosen: How many training images, and how labels are drawn.
        per_class: Labels of each class; their mean if they are drawn at random.
        seed: Of the draw.
    """
    rng = np.random.default_rng([seed, 1])
    total = len(features.train_labels)
    places: np.ndarray = np.arange(total)
    if chosen.images is not None:
        places = np.sort(rng.permutation(total)[: chosen.images])
    labels = features.train_labels[places]
    if chosen.balanced:
        known = draw_labels(labels, per_class, seed)
    else:
        known = random_labels(labels, per_class * features.num_classes, seed)
    fold = stratified_folds(labels[known], min(FOLDS, per_class), seed) if per_class > 1 else None

    # The projection needs no label. Maps keep their mean, so that they are those of the classifier.
    train = torch.from_numpy(features.train[:, places])
    projection = Projection.of(train[0])
    maps = torch.from_numpy(features.maps[places]).float()
    small = torch.einsum('ndhw,dk->nkhw', maps, projection.basis / projection.scale)
    return Draw(
        projection(train),
        Labeled(known, labels[known], features.num_classes),
        fold,
        projection(torch.from_numpy(features.test)),
        small,
    )


def predict(
    draw: Draw, sets: Sequence[np.ndarray], setting: Setting, maps: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities by a classifier for each set of labelled images that it knows.

    Returns:
        Those of all labelled images (K, L, C), and of the test images (K, T, C).
    """
    labeled = draw.labeled
    known = draw.train[0][torch.from_numpy(labeled.places)]
    if isinstance(setting, Linear):
        heads = train_sets(
            draw.train, labeled, sets, setting.method, setting.solver, draw.maps if maps else None
        )
        held, test = (heads.logits(part).softmax(2).numpy() for part in (known, draw.test))
        return held, test

    weak, others = draw.train[0].numpy(), torch.cat([known, draw.test]).numpy()
    found = []
    for chosen in sets:
        labels = np.full(len(weak), UNLABELED)
        labels[labeled.places[chosen]] = labeled.labels[chosen]
        found.append(setting.probabilities(weak, labels, others))
    probs = np.stack(found)
    return probs[:, : len(known)], probs[:, len(known) :]


def held_out(draw: Draw, setting: Setting, maps: bool) -> np.ndarray:
    """Probabilities (L, C) of each labelled image by a classifier that does not know its fold."""
    assert draw.fold is not None
    numbers = np.unique(draw.fold)
    sets = [np.flatnonzero(draw.fold != number) for number in numbers]
    probs, _ = predict(draw, sets, setting, maps)
    return probs[np.searchsorted(numbers, draw.fold), np.arange(len(draw.fold))]


def held_out_score(probs: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Shares of correctly classified images, and log q of their label: means over the classes."""
    correct = probs.argmax(1) == labels
    logs = np.log(probs[np.arange(len(labels)), labels] + 1e-12)
    classes = [labels == label for label in np.unique(labels)]
    hits = float(np.mean([correct[members].mean() for members in classes]))
    return hits, float(np.mean([logs[members].mean() for members in classes]))


def outcome_of(draw: Draw, row: Row) -> Outcome:
    """The outcome of a method on a draw.

    A setting is chosen by the labelled images alone: the one with the most held-out images that are
    correctly classified, of equal ones that with the lower cross-entropy. Where no image can be
    held out (one label per class), it is the first setting.
    """
    names, place, share = list(row.settings), 0, float('nan')
    if draw.fold is not None:
        scores = np.array(
            [
                held_out_score(held_out(draw, setting, row.maps), draw.labeled.labels)
                for setting in row.settings.values()
            ]
        )
        place = best(scores)
        share = float(100 * scores[place, 0])

    everything = [np.arange(len(draw.labeled.labels))]
    _, test = predict(draw, everything, row.settings[names[place]], row.maps)
    return Outcome(names[place], share, test[0].argmax(1))
