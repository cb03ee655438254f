"""One draw of the labels: a setting for each method by cross-validation, then the test images."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mmsemiloc.datasets.few_labels import draw_labels
from mmsemiloc.few_labels.projection import Projection
from mmsemiloc.few_labels.selection import Labeled, best, stratified_folds, train_sets
from mmsemiloc.few_labels.settings import Linear
from mmsemiloc.study.few_labels.image_sets import Features, ImageSet
from mmsemiloc.study.few_labels.outsiders import UNLABELED
from mmsemiloc.study.few_labels.rows import Row, Setting

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
        projection: What projected them.
    """

    train: Tensor
    labeled: Labeled
    fold: np.ndarray | None
    test: Tensor
    maps: Tensor
    projection: Projection


def project_maps(maps: np.ndarray, projection: Projection) -> Tensor:
    """Maps (N, d, H, W) of maps (N, D, H, W); they keep their mean, as the classifier's maps do."""
    basis = projection.basis / projection.scale
    return torch.einsum('ndhw,dk->nkhw', torch.from_numpy(maps).float(), basis)


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


def draw_places(
    labels: np.ndarray, chosen: ImageSet, per_class: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Draw training images, then the labelled ones among them.

    Args:
        labels: Classes of all training images (N,).
        chosen: How many training images, and how labels are drawn.
        per_class: Labels of each class; their mean if they are drawn at random.
        seed: Of the draw.

    Returns:
        Places of the training images, and which of these are labelled, in ascending order.

    Raises:
        ValueError: If a class has too few images.
    """
    rng = np.random.default_rng([seed, 1])
    places: np.ndarray = np.arange(len(labels))
    if chosen.images is not None:
        places = np.sort(rng.permutation(len(labels))[: chosen.images])
    if chosen.balanced:
        return places, draw_labels(labels[places], per_class, seed)
    return places, random_labels(labels[places], per_class * (int(labels.max()) + 1), seed)


def make_draw(features: Features, chosen: ImageSet, per_class: int, seed: int) -> Draw:
    """The images of a draw; see :func:`draw_places`."""
    places, known = draw_places(features.train_labels, chosen, per_class, seed)
    labels = features.train_labels[places]
    fold = stratified_folds(labels[known], min(FOLDS, per_class), seed) if per_class > 1 else None

    # The projection needs no label.
    train = torch.from_numpy(features.train[:, places])
    projection = Projection.of(train[0])
    return Draw(
        projection(train),
        Labeled(known, labels[known], features.num_classes),
        fold,
        projection(torch.from_numpy(features.test)),
        project_maps(features.maps[places], projection),
        projection,
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
        heads = train_sets(draw.train, labeled, sets, setting, draw.maps if maps else None)
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
