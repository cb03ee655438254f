"""Predictions of a batch in the log domain, summed over images, micro-batches and ranks."""

import math

from mmengine import dist
from torch import Tensor
from torch.nn import functional as F

from mmsemiloc.models.numerics import at_least_float32


def log_probabilities(cls_score: Tensor) -> Tensor:
    """log q of logits (T, C), in float32 or better.

    Raises:
        ValueError: If ``cls_score`` is not a non-empty matrix.
    """
    if cls_score.dim() != 2 or cls_score.numel() == 0:
        raise ValueError(
            f'cls_score must have shape (T, C) with T, C >= 1, got {tuple(cls_score.shape)}'
        )
    return F.log_softmax(at_least_float32(cls_score), dim=1)


def log_sum_predictions(cls_score: Tensor) -> Tensor:
    """log of the sum of q_t over the images of logits (T, C), shape (C,), without gradient.

    Stays in the log domain, so a class that no image predicts gives a large negative number, never
    ``log(0)``. Without images (another rank may have some) it is minus infinity.
    """
    if not len(cls_score):
        return at_least_float32(cls_score.new_full(cls_score.shape[1:], -math.inf))
    return log_probabilities(cls_score.detach()).logsumexp(0)


def log_mean_over_ranks(log_sum: Tensor, count: int) -> Tensor:
    """log q_bar (C,) over the images of all ranks, from each rank's :func:`log_sum_predictions` and
    number of images.

    NaN if there are none.
    """
    images = log_sum.new_tensor(float(count))
    if dist.get_world_size() > 1:
        largest = log_sum.clone()
        dist.all_reduce(largest, 'max')
        log_sum = (log_sum - largest).exp()
        dist.all_reduce(log_sum, 'sum')
        log_sum = (
            log_sum.log() + largest
        )  # at least one rank contributes exp(0), so this is no log(0)
        dist.all_reduce(images, 'sum')
    return log_sum - images.log()


def log_mean_of_batch(cls_score: Tensor) -> Tensor:
    """log q_bar (C,) over the images of all ranks, each with its logits (T, C), without gradient."""
    return log_mean_over_ranks(log_sum_predictions(cls_score), len(cls_score))
