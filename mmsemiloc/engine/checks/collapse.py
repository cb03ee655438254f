"""When predictions have collapsed: they have left classes that should be among them."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

STRAY = 0.02  # a class is used if it has this part of the images that are expected of it
ENTROPY_LEFT = 0.7  # part of the expected entropy below which the mean prediction is too narrow


def entropy(shares: Tensor) -> float:
    """Entropy in nats of shares (C,)."""
    return -float(torch.special.xlogy(shares, shares).sum())


@dataclass(frozen=True)
class Predicted:
    """Sums over the predictions of some images.

    Attributes:
        probabilities: Sum of the predictions (C,).
        counts: Images that each class is the most probable one of (C,).
        confidence: Sum of the largest probabilities.
    """

    probabilities: Tensor
    counts: Tensor
    confidence: float

    @property
    def images(self) -> int:
        """Number of images."""
        return int(self.counts.sum())

    def report(self) -> dict[str, float]:
        """Mean confidence, entropy of the mean prediction in nats, and number of classes used."""
        return dict(
            confidence=self.confidence / self.images,
            batch_entropy=entropy(self.probabilities / self.images),
            classes_used=int((self.counts > 0).sum()),
        )

    def used(self, expected: Tensor) -> int:
        """Classes with more than stray images; ``expected`` (C,) is the share of each class."""
        return int((self.counts >= (STRAY * self.images * expected).clamp(min=1)).sum())


def expected_classes(expected: Tensor, images: int) -> float:
    """How many classes so many images drawn with the shares ``expected`` (C,) have on average."""
    return float((1 - (1 - expected) ** images).sum())


def has_collapsed(predicted: Predicted, expected: Tensor, min_class_share: float = 0.3) -> bool:
    """Whether too few classes are left, for certain.

    Both must hold. Far fewer classes are used than so many images should have: fewer than
    ``min_class_share`` of them, or one alone where there should be two. And the mean prediction is
    narrower than the expected shares: so a new network, whose predictions are all alike but not
    sure, has not collapsed, nor one that knows the shares of the classes and nothing else.

    Args:
        predicted: The predictions.
        expected: Share of each class that is expected (C,), with sum 1.
        min_class_share: From 0 to 1.

    Returns:
        False for predictions that are not finite: that is another fault.
    """
    if not predicted.images or not math.isfinite(float(predicted.probabilities.sum())):
        return False
    classes = expected_classes(expected, predicted.images)
    needed = max(min_class_share * classes, 2.0 if classes > 1.9 else 0.0)
    narrow = entropy(predicted.probabilities / predicted.images) < ENTROPY_LEFT * entropy(expected)
    return min_class_share > 0 and predicted.used(expected) < needed and narrow
