"""Distribution alignment: the class shares of soft targets are aligned with a prior."""

from collections.abc import Sequence

from torch import Tensor

from mmsemiloc.models.losses.class_prior import ClassPrior
from mmsemiloc.models.losses.running_mean import RunningMean
from mmsemiloc.models.numerics import log_softmax
from mmsemiloc.registry import MODELS


def align(log_probs: Tensor, log_mean: Tensor, log_prior: Tensor | None = None) -> Tensor:
    """Predictions times the ratio of the expected to the observed share of each class.

    ``q~_tc ~ q_tc d_c / p_c``, with sum 1 again: the alignment of
    `ReMixMatch <https://arxiv.org/abs/1911.09785>`_ (Berthelot et al. 2020, section 3.1).

    Args:
        log_probs: log q (T, C).
        log_mean: log p (C,), the observed shares.
        log_prior: log d (C,), the expected ones; None for uniform.

    Returns:
        log q~ (T, C).
    """
    ratio = -log_mean if log_prior is None else log_prior.to(log_mean) - log_mean
    return log_softmax(log_probs + ratio.to(log_probs))


@MODELS.register_module()
class DistributionAlignment(ClassPrior):
    """:func:`align` to a prior, with observed shares from a running mean.

    The mean is over micro-batches of all ranks.

    Args:
        prior: Expected share of each class: None for uniform, C positive numbers, the path of a
            text file of them, or 'labeled' for the class counts of the labelled set, which
            ``SemiSupSetupHook`` fills in.
        momentum: Weight of the present micro-batch in the running mean, above 0 and at most 1;
            see :class:`RunningMean`.

    Raises:
        ValueError: If the prior is none of these or a class has no share, or the momentum is out of
            range.
    """

    def __init__(self, prior: Sequence[float] | str | None = None, momentum: float = 0.1) -> None:
        super().__init__(prior)
        self.running_mean = RunningMean(momentum)

    def forward(self, cls_score: Tensor) -> Tensor:
        """Aligned log q (T, C) of logits (T, C).

        In training mode their mean becomes a part of the running one.
        T may be 0: every rank takes part in the mean, whether it has predictions or not.

        Raises:
            ValueError: If the prior does not have C classes, or is 'labeled' and nobody has set it.
        """
        log_prior = self.checked_log_prior(cls_score.size(1))
        log_mean = self.running_mean.of_batch(cls_score)
        log_probs = log_softmax(cls_score)
        return align(log_probs, log_mean, log_prior) if len(cls_score) else log_probs
