"""Clustering penalties: mean entropy (MEL) and negative batch entropy (NBEL) of the predictions."""

from collections.abc import Sequence

from torch import Tensor

from mmsemiloc.models.losses.class_prior import ClassPrior
from mmsemiloc.models.losses.running_mean import RunningMean
from mmsemiloc.models.losses.term import Term, Values
from mmsemiloc.models.numerics import log_probabilities
from mmsemiloc.models.prediction_sum import PredictionSum
from mmsemiloc.models.predictions import Predictions
from mmsemiloc.registry import MODELS

ESTIMATORS = ('exact', 'ema')


def mean_entropy(cls_score: Tensor) -> Tensor:
    """Mean over the batch of the entropy of each prediction, equation (1).

    ``J_M = 1/T sum_t H(q_t)`` with ``q_t = softmax(cls_score_t)``.

    Args:
        cls_score: Logits (T, C).

    Returns:
        A scalar in nats, between 0 (one-hot predictions) and log C (uniform ones).

    Example:
        >>> mean_entropy(torch.zeros(8, 4))  # log 4
        tensor(1.3863)
    """
    log_probs = log_probabilities(cls_score)
    return -(log_probs.exp() * log_probs).sum(1).mean()


def negative_batch_entropy(
    cls_score: Tensor, log_prior: Tensor | None = None, log_mean: Tensor | None = None
) -> Tensor:
    """Negative entropy of the mean prediction, equation (2); with a prior, its divergence from it.

    ``J_B = -H(q_bar)``, or ``KL(q_bar || d)`` with a prior d; ``q_bar`` is the mean of q_t over the
    images of all ranks. The gradient is exact for images that are not here as well: ``dJ_B/dq_t =
    (log q_bar - log d) / T_total`` (up to a constant that softmax cancels), times the number of
    ranks because DDP averages gradients over them.

    Args:
        cls_score: Logits (T, C).
        log_prior: log d, shape (C,), of the expected share of each class.
        log_mean: log q_bar, shape (C,), if it is known already; by default that of ``cls_score``
            over all ranks.

    Returns:
        A scalar in nats: between -log C and 0, or with a prior at least 0.

    Example:
        >>> negative_batch_entropy(torch.zeros(8, 4))  # -log 4
        tensor(-1.3863)
    """
    if log_mean is None:
        log_mean = PredictionSum.of(cls_score).log_mean()
    log_ratio = log_mean if log_prior is None else log_mean - log_prior.to(log_mean)
    value = (log_mean.exp() * log_ratio).sum()
    carrier = (
        log_probabilities(cls_score).exp().mean(0) * log_ratio
    ).sum()  # has the gradient of the value
    return value + (carrier - carrier.detach())


@MODELS.register_module()
class MeanEntropyLoss(Term):
    """MEL, :func:`mean_entropy`: makes each prediction confident.

    Args:
        loss_weight: alpha of equation (3), at least 0.
        views: Views of the images: 'all', 'weak' (the first of each image) or 'strong' (the
            others).
        schedule: When the weight rises; see :class:`Schedule`.

    Raises:
        ValueError: If the weight or the schedule is out of range, or the views are unknown.
    """

    def __init__(
        self, loss_weight: float = 1.0, views: str = 'all', schedule: dict | None = None
    ) -> None:
        super().__init__(loss_weight, schedule, views)

    def forward(self, cls_score: Tensor) -> Tensor:
        """``loss_weight * J_M`` of logits (T, C)."""
        return self.loss_weight * mean_entropy(cls_score)

    def compute(self, predictions: Predictions) -> Values:
        """J_M as ``loss_mel``."""
        return {'loss_mel': mean_entropy(predictions.logits)}


@MODELS.register_module()
class NegativeBatchEntropyLoss(Term, ClassPrior):
    """NBEL, :func:`negative_batch_entropy`: keeps the predictions spread over the classes.

    Which mean q_bar of the predictions it reads is the choice of ``estimator``:

    - 'exact': that of the effective batch, over all ranks and, with ``AccumOptimWrapper``, all
      micro-batches (which costs a second forward pass of all but one of them).
    - 'ema': that of the present micro-batch of all ranks, mixed with those before it,
      ``p_n = (1 - m) p_(n-1) + m q_n``. Value and gradient are those of equation (2) at
      ``q_bar = p_n``, so ``loss_weight`` means the same, and there is no second pass. It is biased
      twice. First, p_n lags behind the model by about 1/m micro-batches, so when predictions change
      it pushes against what has been. Second, as p_n holds q_n with weight m, it varies like the
      mean of about (2 - m)/m micro-batches, whose entropy is on average (C - 1)/(2 images) nats too
      low for confident, independent predictions.

    Args:
        loss_weight: beta of equation (3), at least 0.
        prior: Expected share of each class in a batch: None for uniform (the paper's form), C
            positive numbers (shares or counts), the path of a text file of them, or 'labeled' for
            the class counts of the labelled set, which ``SemiSupSetupHook`` fills in.
        estimator: 'exact' or 'ema'.
        momentum: m of 'ema', the weight of the present micro-batch, above 0 and at most 1. To look
            back over N images in micro-batches of n on each of k ranks, take about 2 n k / N.
        views: Views of the images: 'all', 'weak' (the first of each image) or 'strong' (the
            others).
        schedule: When the weight rises; see :class:`Schedule`.

    Raises:
        ValueError: If the prior is none of these or a class has no share, the estimator or the
            views are unknown, or the momentum, the weight or the schedule is out of range.
    """

    talks_to_ranks = True

    def __init__(
        self,
        loss_weight: float = 1.0,
        prior: Sequence[float] | str | None = None,
        estimator: str = 'exact',
        momentum: float = 0.1,
        views: str = 'all',
        schedule: dict | None = None,
    ) -> None:
        super().__init__(loss_weight, schedule, views)
        if estimator not in ESTIMATORS:
            raise ValueError(f'estimator must be one of {ESTIMATORS}, got {estimator!r}')
        self.take_prior(prior)
        self.running_mean = RunningMean(momentum) if estimator == 'ema' else None
        self.reads_mean = self.running_mean is None

    def forward(self, cls_score: Tensor, log_mean: Tensor | None = None) -> Tensor:
        """``loss_weight * J_B`` of logits (T, C).

        All-reduces q_bar when torch.distributed runs and it is not given. With 'ema', the mean of
        ``cls_score`` is mixed with the past instead, and in training mode becomes a part of it.

        Raises:
            ValueError: If the prior does not have C classes, or is 'labeled' and nobody has set it.
        """
        return self.loss_weight * self._batch_entropy(cls_score, log_mean)

    def compute(self, predictions: Predictions) -> Values:
        """J_B as ``loss_nbel``; 0 for a micro-batch without any of the views."""
        log_mean = predictions.log_mean if self.reads_mean else None
        return {'loss_nbel': self._batch_entropy(predictions.logits, log_mean)}

    def _batch_entropy(self, cls_score: Tensor, log_mean: Tensor | None) -> Tensor:
        """J_B of logits (T, C), with the mean of the chosen estimator."""
        log_prior = self.checked_log_prior(cls_score.size(1))
        if self.running_mean is not None:
            log_mean = self.running_mean.of_batch(cls_score)
        if not len(cls_score):
            return cls_score.sum()
        return negative_batch_entropy(cls_score, log_prior, log_mean)
