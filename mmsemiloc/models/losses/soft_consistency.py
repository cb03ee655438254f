"""Soft consistency: the prediction of the strong view is drawn to that of the weak one."""

import math

from torch import Tensor
from torch.nn import functional as F

from mmsemiloc.models.losses.term import PairTerm, Values
from mmsemiloc.models.numerics import at_least_float32, check_number, log_softmax, softmax
from mmsemiloc.models.predictions import Pairs
from mmsemiloc.registry import MODELS


def kl_divergence(cls_score: Tensor, log_target: Tensor) -> Tensor:
    """``1/T sum_t KL(target_t || q_t)`` in nats of logits (T, C) and log targets (T, C).

    It is 0 if T is 0.
    """
    log_probs = log_softmax(at_least_float32(cls_score))
    return F.kl_div(log_probs, log_target, reduction='sum', log_target=True) / max(
        1, len(cls_score)
    )


def squared_difference(cls_score: Tensor, log_target: Tensor) -> Tensor:
    """``1/T sum_t ||target_t - q_t||^2``, from 0 to 2, of logits (T, C) and log targets (T, C).

    It is 0 if T is 0.
    """
    probs = softmax(at_least_float32(cls_score))
    return (probs - log_target.exp()).square().sum() / max(1, len(cls_score))


DISTANCES = {'kl': kl_divergence, 'mse': squared_difference}


@MODELS.register_module()
class SoftConsistencyLoss(PairTerm):
    """Distance of strong views' predictions from the sharpened one of their image's weak view.

    ``1/P sum_p D(softmax(z_weak / temperature), q_strong)`` over all P strong views. There is no
    gradient through the weak view, which the teacher predicts if there is one. With 'mse',
    temperature 1 and a ``MeanTeacherHook`` it is `Mean Teacher <https://arxiv.org/abs/1703.01780>`_
    (Tarvainen and Valpola 2017); with 'kl' and a temperature below 1 it is
    `UDA <https://arxiv.org/abs/1904.12848>`_ without its threshold (Xie et al. 2020).

    Args:
        loss_weight: Weight, at least 0.
        distance: D: 'kl', whose gradient is that of the cross-entropy, or 'mse', the squared
            difference summed over classes.
        temperature: Above 0; 1 leaves the target as it is, a smaller one makes it sharper.
        alignment: Arguments of :class:`DistributionAlignment` of the weak predictions, before they
            are sharpened; None for none.
        schedule: When the weight rises; see :class:`Schedule`.

    Raises:
        ValueError: If the distance is unknown, the weight, the temperature or the schedule is out
            of range, or an argument of the alignment is bad.
    """

    def __init__(
        self,
        loss_weight: float = 1.0,
        distance: str = 'kl',
        temperature: float = 1.0,
        alignment: dict | None = None,
        schedule: dict | None = None,
    ) -> None:
        super().__init__(loss_weight, schedule, alignment)
        if distance not in DISTANCES:
            raise ValueError(f'distance must be one of {tuple(DISTANCES)}, got {distance!r}')
        # An infinite temperature is meant: every target is uniform.
        if temperature != math.inf:
            check_number('temperature', temperature, above=0)
        self.temperature = temperature
        self.distance = distance

    def forward(self, cls_score: Tensor, log_target: Tensor) -> Tensor:
        """``loss_weight`` times the mean distance of logits (T, C) from log targets (T, C)."""
        return self.loss_weight * self.mean_distance(cls_score, log_target)

    def mean_distance(self, cls_score: Tensor, log_target: Tensor) -> Tensor:
        """Mean distance of logits (T, C) from sharpened log targets (T, C)."""
        sharp = log_softmax(log_target / self.temperature)
        return DISTANCES[self.distance](cls_score, sharp)

    def compute(self, pairs: Pairs) -> Values:
        """The mean distance as ``loss_consistency``."""
        target = self.log_targets(pairs)
        return {'loss_consistency': self.mean_distance(pairs.logits, target)}
