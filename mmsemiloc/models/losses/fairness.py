"""Self-adaptive fairness: the classes of confident images, against their running shares."""

import torch
from torch import Tensor

from mmsemiloc.models.losses.pseudo_label import check_threshold, confident_labels
from mmsemiloc.models.losses.running_mean import RunningMean
from mmsemiloc.models.losses.term import PairTerm, Values
from mmsemiloc.models.numerics import at_least_float32, softmax
from mmsemiloc.models.prediction_sum import PredictionSum
from mmsemiloc.models.predictions import Pairs
from mmsemiloc.registry import MODELS


def one_hot(label: Tensor, num_classes: int) -> Tensor:
    """Which class each label is, bool (T, C), of classes (T,)."""
    return label.unsqueeze(1) == torch.arange(num_classes, device=label.device)


def self_adaptive_fairness(
    cls_score: Tensor, confident: Tensor, log_mean: Tensor, log_histogram: Tensor
) -> Tensor:
    """Negative cross-entropy of two class distributions, each divided by its histogram.

    ``-H(SumNorm(p~ / h~), SumNorm(p / h)) = sum_c SumNorm(p~ / h~)_c log SumNorm(p / h)_c``,
    equations (9) and (11) of `FreeMatch <https://arxiv.org/abs/2205.07246>`_ (Wang et al. 2023): p
    is the mean prediction of the confident strong views, h the histogram of the classes that they
    predict, and SumNorm divides by the sum. A class of an empty place in a histogram has the ratio
    0 and, in the second distribution, no part of the sum. So the value is from -log(C T) to 0, and
    0, with a gradient of 0, if no image is confident.

    Args:
        cls_score: Logits of strong views (T, C); T may be 0.
        confident: Which of them count, bool (T,).
        log_mean: log p~ (C,), the running mean of the weak predictions.
        log_histogram: log h~ (C,), the running histogram of their most probable classes; minus
            infinity for a class that none of them had.
    """
    if not len(cls_score):
        return at_least_float32(cls_score).sum()

    # Sums instead of means: SumNorm removes the number of images.
    q = softmax(at_least_float32(cls_score))
    counts = one_hot(cls_score.argmax(1), cls_score.size(1)) & confident.unsqueeze(1)
    histogram = counts.sum(0)
    present = histogram > 0
    ratio = (q * confident.unsqueeze(1)).sum(0) * present / histogram.clamp(min=1)

    # An absent class enters the logarithms as 1, so that neither they nor their gradients are
    # infinite.
    total = torch.where(present.any(), ratio.sum(), 1)
    log_ratio = torch.where(present, ratio, 1).log() - total.log()

    # A probability never becomes 0, a running histogram may.
    expected = torch.where(log_histogram.isinf(), log_histogram, log_mean - log_histogram)
    return (expected.softmax(0).to(q) * present * log_ratio).sum()


@MODELS.register_module()
class SelfAdaptiveFairnessLoss(PairTerm):
    """FreeMatch's self-adaptive class fairness.

    :func:`self_adaptive_fairness` of the strong views whose image's weak view is predicted with a
    probability above ``threshold``. p~ and h~ are running means over the weak views, confident or
    not, of the micro-batches of all ranks, as in
    `FreeMatch <https://arxiv.org/abs/2205.07246>`_ (Wang et al. 2023), without a starting value.
    The threshold is a fixed one, as in :class:`FixMatchLoss`. The sign is the published one, and
    the published weight is 0.01 to 0.05. Takes every image that has several views, labelled or not.

    The loss of several micro-batches is the mean of theirs, which is another one than that of all
    their images at once.

    Args:
        loss_weight: Weight, at least 0.
        threshold: Probability above which an image counts, from 0 (always) to 1 (never).
        momentum: Weight of the present micro-batch in the running means, above 0 and at most 1;
            see :class:`RunningMean`.
        schedule: When the weight rises; see :class:`Schedule`.

    Raises:
        ValueError: If the weight, the threshold, the momentum or the schedule is out of range.
    """

    def __init__(
        self,
        loss_weight: float = 0.01,
        threshold: float = 0.95,
        momentum: float = 0.1,
        schedule: dict | None = None,
    ) -> None:
        super().__init__(loss_weight, schedule)
        self.threshold = check_threshold(threshold)
        self.running_mean = RunningMean(momentum)
        self.running_histogram = RunningMean(momentum)

    def compute(self, pairs: Pairs) -> Values:
        """``loss_fairness``, at most 0."""
        log_probs = self.log_targets(pairs)
        label, confident = confident_labels(log_probs, self.threshold)

        # Every rank takes part in both means, whether it has pairs or not.
        counts = one_hot(label, log_probs.size(1)).sum(0).to(log_probs)
        log_mean = self.running_mean.of_batch(log_probs)
        log_histogram = self.running_histogram.of_sum(PredictionSum(counts.log(), len(label)))

        loss = self_adaptive_fairness(pairs.logits, confident, log_mean, log_histogram)
        return {'loss_fairness': loss}
