"""FixMatch: the confident class of the weak view is the label of the strong one."""

from mmsemiloc.models.losses.pseudo_label import (
    check_threshold,
    confident_labels,
    cross_entropy_of_confident,
)
from mmsemiloc.models.losses.term import PairTerm, Values
from mmsemiloc.models.predictions import Pairs
from mmsemiloc.registry import MODELS


@MODELS.register_module()
class FixMatchLoss(PairTerm):
    """Cross-entropy of strong views with the most probable class of their image's weak view.

    ``1/P sum_p [max q_weak > threshold] (-log q_strong(argmax q_weak))`` over all P strong views,
    equation (4) of `FixMatch <https://arxiv.org/abs/2001.07685>`_ (Sohn et al. 2020). There is no
    gradient through the weak view, which the teacher predicts if there is one. Takes every image
    that has several views, labelled or not.

    Args:
        loss_weight: Weight, at least 0.
        threshold: Probability above which the class counts, from 0 (always) to 1 (never).
        alignment: Arguments of :class:`DistributionAlignment` of the weak predictions; None for
            none.
        schedule: When the weight rises; see :class:`Schedule`.

    Raises:
        ValueError: If the weight, the threshold or the schedule is out of range, or an argument of
            the alignment is bad.
    """

    def __init__(
        self,
        loss_weight: float = 1.0,
        threshold: float = 0.95,
        alignment: dict | None = None,
        schedule: dict | None = None,
    ) -> None:
        super().__init__(loss_weight, schedule, alignment)
        self.threshold = check_threshold(threshold)

    def compute(self, pairs: Pairs) -> Values:
        """``loss_fixmatch``, and the share (%) of the strong views that have a label."""
        label, confident = confident_labels(self.log_targets(pairs), self.threshold)
        return {
            'loss_fixmatch': cross_entropy_of_confident(pairs.logits, label, confident),
            'pseudo_labeled': 100 * confident.float().sum() / max(1, len(confident)),
        }
