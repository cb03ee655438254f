"""Running mean of the predictions of successive batches."""

import logging
import math
from collections import OrderedDict
from typing import Any

import torch
from mmengine.logging import print_log
from mmengine.model import BaseModule
from torch import Tensor

from mmsemiloc.models.numerics import check_number
from mmsemiloc.models.prediction_sum import PredictionSum


class RunningMean(BaseModule):
    """Momentum mean of distributions, in the log domain.

    ``p_n ~ sum_i (1 - momentum)^(n - i) q_i``, with sum 1.

    The first distributions are weighted like later ones, without a starting value (as in Adam's
    bias correction). It is saved and loaded with the state dict, as metadata of this module and not
    as an entry: checkpoints have the same entries with and without it, so they load strictly into
    models that do not know it.

    Args:
        momentum: Weight of the newest distribution, above 0 and at most 1 (no memory).

    Raises:
        ValueError: If the momentum is out of range.
    """

    def __init__(self, momentum: float) -> None:
        super().__init__()
        self.momentum = check_number('momentum', momentum, above=0, high=1)
        # log of the weighted sum so far, (C,); its sum over classes is that of the weights.
        self.log_past: Tensor | None
        self.register_buffer('log_past', None, persistent=False)

    def of_batch(self, cls_score: Tensor) -> Tensor:
        """log p (C,) with the mean prediction of the logits (T, C) of all ranks as the newest one.

        T may be 0: every rank takes part, whether it has predictions or not. Without any on any
        rank the past stays as it is.
        """
        return self.of_sum(PredictionSum.of(cls_score))

    def of_sum(self, total: PredictionSum) -> Tensor:
        """The same with the sum of this rank's distributions; a class may have none of it."""
        log_mean = total.log_mean()
        if not total.count and log_mean.isnan().any():
            return log_mean
        return self(log_mean)

    def forward(self, log_mean: Tensor) -> Tensor:
        """log p (C,): the past mixed with the newest distribution, of log probabilities (C,).

        It is kept in training mode. A past of another number of classes (of a checkpoint that is
        fine-tuned) is dropped with a warning.
        """
        if self.log_past is not None and self.log_past.shape != log_mean.shape:
            print_log(
                f'The running mean of the predictions has {len(self.log_past)} classes, the model '
                f'{len(log_mean)}: it starts anew.',
                logger='current',
                level=logging.WARNING,
            )
            self.log_past = None

        # In the log domain, where a class that nobody predicts stays finite.
        mixed = log_mean + math.log(self.momentum)
        if self.log_past is not None and self.momentum < 1:
            mixed = (self.log_past.to(log_mean) + math.log1p(-self.momentum)).logaddexp(mixed)
        if self.training:
            self.log_past = mixed
        return mixed - mixed.logsumexp(0)

    def _save_to_state_dict(self, destination: OrderedDict, prefix: str, keep_vars: bool) -> None:
        """Put the past into the metadata of the state dict."""
        super()._save_to_state_dict(destination, prefix, keep_vars)
        if self.log_past is not None:
            destination._metadata[prefix[:-1]][('log_past')] = self.log_past.tolist()  # type: ignore[attr-defined]

    def _load_from_state_dict(
        self, state_dict: dict, prefix: str, local_metadata: dict, *args: Any
    ) -> None:
        """Take the past from the metadata; without it there is none."""
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *args)
        past = local_metadata.get('log_past')
        self.log_past = None if past is None else torch.tensor(past, dtype=torch.float64)
