"""Stochastic transformations: predictions of an image's views should not differ."""

import torch
from torch import Tensor

from mmsemiloc.models.losses.term import PairTerm, Values
from mmsemiloc.models.numerics import at_least_float32, softmax
from mmsemiloc.models.predictions import Pairs
from mmsemiloc.registry import MODELS


def transform_consistency(cls_score: Tensor, image: Tensor) -> Tensor:
    """Mean squared difference between the predictions of an image's views.

    ``1/B sum_b 2/(V (V - 1)) sum_{i<j} ||q_bi - q_bj||^2`` over B images in V views, from 0 to 2:
    equation (1) of *Regularization With Stochastic Transformations and Perturbations* (Sajjadi et
    al. 2016) as a mean over pairs. It is computed as ``2/(B (V - 1)) sum_b sum_i ||q_bi - mean_j
    q_bj||^2``; images in different numbers of views weigh V - 1.

    Args:
        cls_score: Logits (N, C).
        image: Number of each view's image (N,), from 0, on the CPU.

    Returns:
        A scalar; 0 if no image has several views.

    Example:
        >>> transform_consistency(torch.tensor([[99., 0.], [0., 99.]]), torch.tensor([0, 0]))
        tensor(2.)
    """
    probs = softmax(at_least_float32(cls_score))
    numbers = torch.bincount(image)
    index = image.to(probs.device)
    sums = probs.new_zeros(len(numbers), probs.size(1)).index_add(0, index, probs)
    means = sums / numbers.clamp(min=1).to(sums)[:, None]
    pairs_with_first = int((numbers - 1).clamp(min=0).sum())
    return 2 * (probs - means[index]).square().sum() / max(1, pairs_with_first)


@MODELS.register_module()
class TransformConsistencyLoss(PairTerm):
    """:func:`transform_consistency` of all images in several views, labelled or not.

    The gradient goes through all views.

    Args:
        loss_weight: Weight, at least 0.
        schedule: When the weight rises; see :class:`Schedule`.

    Raises:
        ValueError: If the weight or the schedule is out of range.
    """

    def __init__(self, loss_weight: float = 1.0, schedule: dict | None = None) -> None:
        super().__init__(loss_weight, schedule)

    def forward(self, cls_score: Tensor, image: Tensor) -> Tensor:
        """``loss_weight`` times the mean of logits (N, C) whose images are (N,)."""
        return self.loss_weight * transform_consistency(cls_score, image)

    def compute(self, pairs: Pairs) -> Values:
        """The mean squared difference as ``loss_transform``."""
        views = pairs.predictions
        return {'loss_transform': transform_consistency(views.logits, views.views.image)}
