"""FixMatch: the confident class of the weak view is the label of the strong one."""

from mmengine.model import BaseModule
from torch import Tensor

from mmsemiloc.models.losses.alignment import DistributionAlignment
from mmsemiloc.models.losses.pseudo_label import (
    check_threshold,
    confident_labels,
    cross_entropy_of_confident,
)
from mmsemiloc.models.losses.weak_targets import weak_targets
from mmsemiloc.models.numerics import check_number
from mmsemiloc.models.predictions import Predictions
from mmsemiloc.registry import MODELS


@MODELS.register_module()
class FixMatchLoss(BaseModule):
    """Cross-entropy of strong views with the most probable class of their image's weak view (Sohn
    et al. 2020, equation (4)).

    ``1/P sum_p [max q_weak > threshold] (-log q_strong(argmax q_weak))`` over all P strong views;
    no gradient through the weak one, which the teacher predicts if there is one. Takes every image
    that has several views, labelled or not.

    Args:
        loss_weight: Weight, at least 0.
        threshold: Probability above which the class counts, from 0 (always) to 1 (never).
        alignment: Arguments of :class:`DistributionAlignment` of the weak predictions; None for
            none.

    Raises:
        ValueError: If the weight or the threshold is out of range, or an argument of the alignment
            is bad.
    """

    def __init__(
        self, loss_weight: float = 1.0, threshold: float = 0.95, alignment: dict | None = None
    ) -> None:
        super().__init__()
        self.loss_weight = check_number('loss_weight', loss_weight, 0)
        self.threshold = check_threshold(threshold)
        self.alignment = None if alignment is None else DistributionAlignment(**alignment)

    def term(self, predictions: Predictions) -> dict[str, Tensor]:
        """``loss_fixmatch``, and ``pseudo_labeled``, the share (%) of the strong views that have a
        label.
        """
        pairs = predictions.pairs()
        label, confident = confident_labels(
            weak_targets(predictions, pairs, self.alignment), self.threshold
        )
        loss = self.loss_weight * cross_entropy_of_confident(
            predictions.logits[pairs.strong], label, confident
        )
        return {
            'loss_fixmatch': pairs.in_whole(loss),
            'pseudo_labeled': pairs.in_whole(
                100 * confident.float().sum() / max(1, len(confident))
            ),
        }
