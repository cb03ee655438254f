"""Soft consistency: the prediction of the strong view is drawn to that of the weak one."""

import math

from mmengine.model import BaseModule
from torch import Tensor
from torch.nn import functional as F

from mmsemiloc.models.losses.alignment import DistributionAlignment
from mmsemiloc.models.losses.weak_targets import weak_targets
from mmsemiloc.models.numerics import at_least_float32, check_number
from mmsemiloc.models.predictions import Predictions
from mmsemiloc.registry import MODELS


def kl_divergence(cls_score: Tensor, log_target: Tensor) -> Tensor:
    """``1/T sum_t KL(target_t || q_t)`` in nats of logits (T, C) and log targets (T, C); 0 if T is
    0.
    """
    log_probs = at_least_float32(cls_score).log_softmax(1)
    return F.kl_div(log_probs, log_target, reduction='sum', log_target=True) / max(
        1, len(cls_score)
    )


def squared_difference(cls_score: Tensor, log_target: Tensor) -> Tensor:
    """``1/T sum_t ||target_t - q_t||^2``, 0 to 2, of logits (T, C) and log targets (T, C); 0 if T
    is 0.
    """
    probs = at_least_float32(cls_score).softmax(1)
    return (probs - log_target.exp()).square().sum() / max(1, len(cls_score))


DISTANCES = {'kl': kl_divergence, 'mse': squared_difference}


@MODELS.register_module()
class SoftConsistencyLoss(BaseModule):
    """Distance of strong views' predictions from the sharpened one of their image's weak view.

    ``1/P sum_p D(softmax(z_weak / temperature), q_strong)`` over all P strong views; no gradient
    through the weak one, which the teacher predicts if there is one. With 'mse', temperature 1 and
    a ``MeanTeacherHook`` it is Mean Teacher (Tarvainen and Valpola 2017); with 'kl' and a
    temperature below 1 UDA without its threshold (Xie et al. 2020).

    Args:
        loss_weight: Weight, at least 0.
        distance: D: 'kl', whose gradient is that of the cross-entropy, or 'mse', the squared
            difference summed over classes.
        temperature: Above 0; 1 leaves the target as it is, less makes it sharper.
        alignment: Arguments of :class:`DistributionAlignment` of the weak predictions, before they
            are sharpened; None for none.

    Raises:
        ValueError: If the distance is unknown, the weight or the temperature out of range, or an
            argument of the alignment is bad.
    """

    def __init__(
        self,
        loss_weight: float = 1.0,
        distance: str = 'kl',
        temperature: float = 1.0,
        alignment: dict | None = None,
    ) -> None:
        super().__init__()
        if distance not in DISTANCES:
            raise ValueError(f'distance must be one of {tuple(DISTANCES)}, got {distance!r}')
        self.loss_weight = check_number('loss_weight', loss_weight, 0)
        self.temperature = (
            temperature
            if temperature == math.inf
            else check_number('temperature', temperature, above=0)
        )
        self.distance = distance
        self.alignment = None if alignment is None else DistributionAlignment(**alignment)

    def forward(self, cls_score: Tensor, log_target: Tensor) -> Tensor:
        """``loss_weight`` times the mean distance of logits (T, C) from sharpened log targets (T,
        C).
        """
        sharp = (log_target / self.temperature).log_softmax(1)
        return self.loss_weight * DISTANCES[self.distance](cls_score, sharp)

    def term(self, predictions: Predictions) -> dict[str, Tensor]:
        """``loss_consistency``."""
        pairs = predictions.pairs()
        target = weak_targets(predictions, pairs, self.alignment)
        return {'loss_consistency': pairs.in_whole(self(predictions.logits[pairs.strong], target))}
