"""Methods of scikit-learn on the same features."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression
from sklearn.semi_supervised import LabelSpreading, SelfTrainingClassifier
from sklearn.svm import LinearSVC

UNLABELED = -1  # scikit-learn's label of an image without one


class Outsider(Protocol):
    """A method outside of this package."""

    def probabilities(
        self, features: np.ndarray, labels: np.ndarray, others: np.ndarray
    ) -> np.ndarray:
        """Probabilities (T, C) of the images ``others``.

        Args:
            features: Features of all training images (N, D).
            labels: Their classes (N,), ``UNLABELED`` for those without a label.
            others: Features (T, D) of the images to classify.
        """


@dataclass(frozen=True)
class LabelSpread:
    """Label spreading (Zhou et al. 2004) over the graph of nearest neighbours.

    Attributes:
        neighbours: Neighbours of each image.
        alpha: How much an image takes from its neighbours, above 0 and below 1.
    """

    neighbours: int
    alpha: float

    def probabilities(
        self, features: np.ndarray, labels: np.ndarray, others: np.ndarray
    ) -> np.ndarray:
        """See :class:`Outsider`."""
        model = LabelSpreading(
            kernel='knn', n_neighbors=self.neighbours, alpha=self.alpha, max_iter=100
        )
        # An image that no label reaches has no probabilities: all classes are alike.
        with np.errstate(invalid='ignore'):
            found = model.fit(features, labels).predict_proba(others)
        return np.nan_to_num(found, nan=1 / found.shape[1])


@dataclass(frozen=True)
class SelfTraining:
    """Logistic regression that learns from its own confident predictions (Yarowsky 1995).

    Attributes:
        threshold: Probability above which a prediction becomes a label.
        c: Inverse weight of the squared norm.
    """

    threshold: float
    c: float

    def probabilities(
        self, features: np.ndarray, labels: np.ndarray, others: np.ndarray
    ) -> np.ndarray:
        """See :class:`Outsider`."""
        regression = LogisticRegression(C=self.c, max_iter=1000)
        model = SelfTrainingClassifier(regression, threshold=self.threshold)
        return model.fit(features, labels).predict_proba(others)


@dataclass(frozen=True)
class LinearSVM:
    """A linear support vector machine of the labelled images alone.

    Attributes:
        c: Inverse weight of the squared norm.
    """

    c: float

    def probabilities(
        self, features: np.ndarray, labels: np.ndarray, others: np.ndarray
    ) -> np.ndarray:
        """See :class:`Outsider`; here the softmax of its scores."""
        known = labels != UNLABELED
        model = LinearSVC(C=self.c, max_iter=10_000).fit(features[known], labels[known])
        scores = model.decision_function(others)
        if scores.ndim == 1:
            scores = np.stack([-scores, scores], 1)
        return softmax(scores, axis=1)
