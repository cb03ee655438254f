"""Optimizer wrapper that splits the batch of one optimizer step into micro-batches."""
import contextlib

import torch
from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapper
from torch import Tensor, nn

from mmsemiloc.models import WholeBatch
from mmsemiloc.registry import OPTIM_WRAPPERS


def split_batch(data: dict, size: int | None) -> list[dict]:
    """Cut a collated batch into consecutive micro-batches of ``size`` images (the last may be smaller); None: one piece.

    Args:
        data: ``inputs``, a tensor or list of T images, and ``data_samples``, a list of T.
    """
    total = len(data['data_samples'])
    return [{key: value[i:i + (size or total)] for key, value in data.items()} for i in range(0, total, size or total)]


def merge_logs(logs: list[dict], shares: list[Tensor]) -> dict:
    """Logged values of the whole batch from those of its parts: sums for losses, means for diagnostics (NaN left out)."""
    merged = {}
    for key in dict.fromkeys(key for log in logs for key in log):
        values = torch.stack([log[key].detach() for log in logs])
        weight = torch.stack(shares).to(values)
        total = torch.nansum(values * weight) if 'loss' not in key else (values * weight).sum()
        merged[key] = total if 'loss' in key else total / (weight * ~values.isnan()).sum()
    return merged


def gradient_sync(model: nn.Module, last: bool) -> contextlib.AbstractContextManager:
    """Context in which DDP exchanges gradients in the last backward pass of a step only."""
    return contextlib.nullcontext() if last or not hasattr(model, 'no_sync') else model.no_sync()


@OPTIM_WRAPPERS.register_module()
class AccumOptimWrapper(OptimWrapper):
    """``OptimWrapper`` whose batch is the effective batch of one step, run in micro-batches to save memory.

    One iteration of the runner is one optimizer step, so schedulers, EMA, logging, ``max_iters`` and resume count steps.
    Losses are those of the whole batch: means over T images, cross-entropy over R labelled ones, also with a smaller last
    micro-batch. Works with ``SemiSupClassifier``, and with ``SemiSupDistributedDataParallel`` where it is distributed.

    Args:
        micro_batch_size: Images a micro-batch; None for the whole batch at once.
        **kwargs: For ``OptimWrapper``, except ``accumulative_counts``.

    Raises:
        ValueError: If ``micro_batch_size`` is less than 1 or ``accumulative_counts`` is set.
    """

    def __init__(self, micro_batch_size: int | None = None, **kwargs) -> None:
        if kwargs.get('accumulative_counts', 1) != 1:
            raise ValueError(f'AccumOptimWrapper: accumulative_counts={kwargs["accumulative_counts"]} would accumulate over '
                             'iterations; enlarge the dataloader\'s batch_size and set micro_batch_size instead')
        if micro_batch_size is not None and micro_batch_size < 1:
            raise ValueError(f'micro_batch_size must be at least 1, got {micro_batch_size}')
        super().__init__(**kwargs)
        self.micro_batch_size = micro_batch_size

    def update_params(self, loss: Tensor, *args, **kwargs) -> None:
        """Refuse the stock training step, which would run the effective batch at once.

        Raises:
            RuntimeError: Always, if ``micro_batch_size`` is set.
        """
        if self.micro_batch_size is not None:
            raise RuntimeError('AccumOptimWrapper(micro_batch_size=...) works only with model type '
                               "mmsemiloc.SemiSupClassifier, and when distributed with model_wrapper_cfg=dict(type='mmsemiloc."
                               "SemiSupDistributedDataParallel')")
        super().update_params(loss, *args, **kwargs)

    def train_batch(self, model: nn.Module, data: dict) -> dict:
        """Forward and backward of all micro-batches, then one optimizer step.

        Args:
            model: A ``SemiSupClassifier``, or its DDP wrapper.
            data: The collated effective batch of this rank.

        Returns:
            Values to log, of the whole batch.

        Raises:
            NotImplementedError: If NBEL is on and there is more than one micro-batch.
        """
        module = model.module if is_model_wrapper(model) else model
        parts = split_batch(data, self.micro_batch_size)
        if len(parts) > 1 and 'nbel' in module.head.active_terms():
            raise NotImplementedError(f'NegativeBatchEntropyLoss over {len(parts)} micro-batches: it does not add up over '
                                      'them. Set micro_batch_size=None, or the loss_weight of loss_nbel to 0.')
        whole = WholeBatch.of(data['data_samples'], next(module.parameters()).device)
        logs, shares = [], []
        for i, part in enumerate(parts):
            with gradient_sync(model, last=i == len(parts) - 1):
                with self.optim_context(model):
                    losses = model(**module.data_preprocessor(part, True), mode='loss', whole=whole)
                loss, log = module.parse_losses(losses)
                shares.append(whole.share(len(part['data_samples'])))
                self.backward(loss * shares[-1].to(loss))
            logs.append(log)
        self.step()
        self.zero_grad()
        return merge_logs(logs, shares)
