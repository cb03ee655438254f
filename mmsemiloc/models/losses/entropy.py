"""Clustering penalties: mean entropy (MEL) and negative batch entropy (NBEL) of the predictions."""

from collections.abc import Sequence

import torch
from torch import Tensor

from mmsemiloc.models.losses.class_prior import ClassPrior
from mmsemiloc.models.losses.running_mean import RunningMean
from mmsemiloc.models.losses.term import Term, Values
from mmsemiloc.models.numerics import check_number, log_probabilities
from mmsemiloc.models.prediction_sum import PredictionSum
from mmsemiloc.models.predictions import Predictions
from mmsemiloc.registry import MODELS

ESTIMATORS = ('exact', 'ema')


def deformed(log_ratio: Tensor, alpha: float) -> Tensor:
    """``(r^(alpha - 1) - 1) / (alpha - 1)`` of log r; its limit log r itself for alpha = 1.

    With it in the place of the logarithm, entropies and divergences are those of order alpha.
    """
    return log_ratio if alpha == 1 else torch.expm1((alpha - 1) * log_ratio) / (alpha - 1)


def mean_entropy(cls_score: Tensor, alpha: float = 1.0) -> Tensor:
    """Mean over the batch of the entropy of each prediction, equation (1).

    ``J_M = 1/T sum_t H(q_t)`` with ``q_t = softmax(cls_score_t)``. With another alpha than 1, H is
    the entropy of order alpha, ``(1 - sum_c q_c^alpha) / (alpha - 1)``, of
    `alpha-TIM <https://arxiv.org/abs/2204.11181>`_ (Veilleux et al. 2021).

    Args:
        cls_score: Logits (T, C).
        alpha: Order of the entropy, at least 1; 1 is Shannon's.

    Returns:
        A scalar, in nats for alpha = 1: between 0 (one-hot predictions) and log C (uniform ones),
        or ``(1 - C^(1 - alpha)) / (alpha - 1)``.

    Example:
        >>> mean_entropy(torch.zeros(8, 4))  # log 4
        tensor(1.3863)
    """
    log_probs = log_probabilities(cls_score)
    return -(log_probs.exp() * deformed(log_probs, alpha)).sum(1).mean()


def negative_batch_entropy(
    cls_score: Tensor,
    log_prior: Tensor | None = None,
    log_mean: Tensor | None = None,
    alpha: float = 1.0,
) -> Tensor:
    """Negative entropy of the mean prediction, equation (2); with a prior, its divergence from it.

    ``J_B = -H(q_bar)``, or ``KL(q_bar || d)`` with a prior d; ``q_bar`` is the mean of q_t over the
    images of all ranks. The gradient is exact for images that are not here as well: ``dJ_B/dq_t =
    (log q_bar - log d) / T_total`` (up to a constant that softmax cancels), times the number of
    ranks because DDP averages gradients over them.

    With another alpha than 1 it is the form of `alpha-TIM <https://arxiv.org/abs/2204.11181>`_
    (Veilleux et al. 2021), ``J_B = (sum_c q_bar_c^alpha - 1) / (alpha - 1)``, or with a prior the
    divergence of the same order, ``(sum_c q_bar_c^alpha d_c^(1 - alpha) - 1) / (alpha - 1)``. The
    gradient is as exact: ``dJ_B/dq_t = alpha / (alpha - 1) (q_bar / d)^(alpha - 1) / T_total``.
    It is weaker than Shannon's for rare classes, so unequal class shares cost less. A uniform prior
    multiplies the gradient of the form without one by ``C^(alpha - 1)``.

    Args:
        cls_score: Logits (T, C).
        log_prior: log d, shape (C,), of the expected share of each class.
        log_mean: log q_bar, shape (C,), if it is known already; by default that of ``cls_score``
            over all ranks.
        alpha: Order of the entropy or divergence, at least 1; 1 is Shannon's.

    Returns:
        A scalar, in nats for alpha = 1: between -log C (or ``(C^(1 - alpha) - 1) / (alpha - 1)``)
        and 0, or with a prior at least 0.

    Example:
        >>> negative_batch_entropy(torch.zeros(8, 4))  # -log 4
        tensor(-1.3863)
    """
    if log_mean is None:
        log_mean = PredictionSum.of(cls_score).log_mean()
    log_ratio = log_mean if log_prior is None else log_mean - log_prior.to(log_mean)
    force = deformed(log_ratio, alpha)
    value = (log_mean.exp() * force).sum()

    # It has the gradient of the value, but for a constant alpha / (alpha - 1) per class.
    carrier = alpha * (log_probabilities(cls_score).exp().mean(0) * force).sum()
    return value + (carrier - carrier.detach())


@MODELS.register_module()
class MeanEntropyLoss(Term):
    """MEL, :func:`mean_entropy`: makes each prediction confident.

    Args:
        loss_weight: alpha of equation (3), at least 0.
        views: Views of the images: 'all', 'weak' (the first of each image) or 'strong' (the
            others).
        schedule: When the weight rises; see :class:`Schedule`.
        divergence_alpha: Order of the entropy, at least 1; 1 is the paper's, Shannon's.

    Raises:
        ValueError: If the weight, the schedule or the order is out of range, or the views are
            unknown.
    """

    def __init__(
        self,
        loss_weight: float = 1.0,
        views: str = 'all',
        schedule: dict | None = None,
        divergence_alpha: float = 1.0,
    ) -> None:
        super().__init__(loss_weight, schedule, views)
        self.alpha = check_number('divergence_alpha', divergence_alpha, 1)

    def forward(self, cls_score: Tensor) -> Tensor:
        """``loss_weight * J_M`` of logits (T, C)."""
        return self.loss_weight * mean_entropy(cls_score, self.alpha)

    def compute(self, predictions: Predictions) -> Values:
        """J_M as ``loss_mel``."""
        return {'loss_mel': mean_entropy(predictions.logits, self.alpha)}


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
        unlabeled: Whether to leave out labelled images, so that the prior is that of the unlabelled
            ones alone.
        divergence_alpha: Order of the entropy or divergence, at least 1; 1 is the paper's.

    Raises:
        ValueError: If the prior is none of these or a class has no share, the estimator or the
            views are unknown, or the momentum, the weight, the schedule or the order is out of
            range.
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
        unlabeled: bool = False,
        divergence_alpha: float = 1.0,
    ) -> None:
        super().__init__(loss_weight, schedule, views, unlabeled)
        self.alpha = check_number('divergence_alpha', divergence_alpha, 1)
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
        return negative_batch_entropy(cls_score, log_prior, log_mean, self.alpha)
