"""Sums of predictions in the log domain, over images, micro-batches and ranks."""

import math
from dataclasses import dataclass

import torch
from mmengine import dist
from torch import Tensor

from mmsemiloc.models.numerics import at_least_float32, log_probabilities


@dataclass(frozen=True)
class PredictionSum:
    """The sum of the predictions q_t of some images. Sums of micro-batches add up.

    It stays in the log domain, so a class that no image predicts gives a large negative number and
    never ``log(0)``.

    Attributes:
        log_sum: log of the sum of q_t (C,), without gradient; minus infinity without images.
        count: Number of images on this rank.
    """

    log_sum: Tensor
    count: int

    @classmethod
    def of(cls, cls_score: Tensor) -> 'PredictionSum':
        """Sum over the images of logits (T, C); T may be 0, since another rank may have some."""
        scores = cls_score.detach()
        if not len(scores):
            return cls(at_least_float32(scores.new_full(scores.shape[1:], -math.inf)), 0)
        return cls(log_probabilities(scores).logsumexp(0), len(scores))

    def __add__(self, other: 'PredictionSum') -> 'PredictionSum':
        """Sum over the images of both."""
        return PredictionSum(torch.logaddexp(self.log_sum, other.log_sum), self.count + other.count)

    def log_mean(self) -> Tensor:
        """log q_bar (C,) over the images of all ranks; NaN if there are none.

        All ranks have to call it.
        """
        log_sum = self.log_sum
        images = log_sum.new_tensor(float(self.count))
        if dist.get_world_size() > 1:
            largest = log_sum.clone()
            dist.all_reduce(largest, 'max')

            # At least one rank contributes exp(0), so this is log(0) only if no rank has a part.
            largest = largest.clamp(min=torch.finfo(largest.dtype).min)
            log_sum = (log_sum - largest).exp()
            dist.all_reduce(log_sum, 'sum')
            log_sum = log_sum.log() + largest
            dist.all_reduce(images, 'sum')
        return log_sum - images.log()
