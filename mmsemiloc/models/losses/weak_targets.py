"""What strong views are compared with."""

from torch import Tensor

from mmsemiloc.models.losses.alignment import DistributionAlignment
from mmsemiloc.models.numerics import at_least_float32
from mmsemiloc.models.predictions import Pairs, Predictions


def weak_targets(
    predictions: Predictions, pairs: Pairs, alignment: DistributionAlignment | None
) -> Tensor:
    """log q (P, C) of the weak view of each pair, aligned if asked for, without gradient."""
    scores = at_least_float32(predictions.targets[pairs.weak].detach())
    return scores.log_softmax(1) if alignment is None else alignment(scores)
