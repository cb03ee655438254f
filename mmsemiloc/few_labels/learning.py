"""A classifier of features, with a setting that cross-validation chooses."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mmsemiloc.few_labels.features import FeatureExtractor
from mmsemiloc.few_labels.progress import Progress
from mmsemiloc.few_labels.projection import Projection
from mmsemiloc.few_labels.readable import Readable
from mmsemiloc.few_labels.selection import Choice, Labeled, choose, train_sets
from mmsemiloc.few_labels.settings import Linear, candidates

MOST = 20_000  # unlabelled images that the penalties read


@dataclass(frozen=True)
class Problem:
    """What classifiers learn from.

    Attributes:
        features: Short features of all images (1 + V, N, d).
        projection: What made them short.
        known: The labelled images.
        settings: The settings by name.
    """

    features: Tensor
    projection: Projection
    known: Labeled
    settings: Mapping[str, Linear]

    def classifier(self, setting: str, images: np.ndarray) -> tuple[Tensor, Tensor]:
        """Weight (C, D) and bias (C,) that are trained with the labels of some images.

        Args:
            setting: Its name.
            images: Which of the labelled images.
        """
        heads = train_sets(self.features, self.known, [images], self.settings[setting])
        return self.projection.unfold(heads.weight[0], heads.bias[0])


@dataclass(frozen=True)
class Learned:
    """What was learned from features.

    Attributes:
        problem: What it was learned from.
        choice: What cross-validation says.
        weight: Weight of the classifier (C, D).
        bias: Its bias (C,).
        probabilities: Of the unlabelled images (U, C).
    """

    problem: Problem
    choice: Choice
    weight: Tensor
    bias: Tensor
    probabilities: np.ndarray


def learn(
    found: Readable,
    num_classes: int,
    extractor: FeatureExtractor,
    folds: int,
    seed: int,
    progress: Progress,
) -> Learned:
    """Choose a setting by cross-validation, and train a classifier of all labelled images."""
    labeled = len(found.labels)
    places = taking_part(labeled, len(found.keys), seed)
    if len(places) < len(found.keys):
        progress.tell(f'The penalties read {MOST:,} of the unlabelled images, drawn by the seed.')
    features = torch.from_numpy(extractor.features([found.keys[place] for place in places]))
    projection = Projection.of(features[0])

    # Settings by the labelled images alone.
    known = Labeled(np.arange(labeled), found.labels, num_classes)
    counts = np.bincount(found.labels, minlength=num_classes).tolist()
    settings = candidates(counts, views=len(features) > 1)
    problem = Problem(projection(features), projection, known, settings)
    progress.tell(
        f'{len(settings)} settings are compared by {folds}-fold cross-validation on the labelled '
        'images; their accuracy is measured on folds that the choice has not seen.'
    )
    choice = choose(
        problem.features,
        known,
        settings,
        folds=folds,
        seed=seed,
        done=lambda: progress.advance('settings', len(settings)),
    )
    progress.tell(f'Chosen: {choice.name}.')

    # The classifier, and what it says of the unlabelled images.
    weight, bias = problem.classifier(choice.name, known.places)
    weak = torch.from_numpy(extractor.features(found.keys[labeled:], views=1)[0])
    probabilities = (weak @ weight.T + bias).softmax(1).numpy()
    return Learned(problem, choice, weight, bias, probabilities)


def taking_part(labeled: int, images: int, seed: int) -> np.ndarray:
    """Places of the images that training reads.

    They are the labelled ones, which come first, and ``MOST`` unlabelled ones at most, drawn by a
    seed.
    """
    others = np.arange(labeled, images)
    if len(others) > MOST:
        others = np.sort(np.random.default_rng(seed).choice(others, MOST, replace=False))
    return np.concatenate([np.arange(labeled), others])
