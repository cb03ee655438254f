"""Optimizer wrapper that splits the batch of one optimizer step into micro-batches."""

import contextlib

import torch
from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapper
from torch import Tensor, nn
from torch.nn.utils import clip_grads_with_norm_

from mmsemiloc.datasets.random_state import RandomState
from mmsemiloc.engine.checks.finite import (
    Part,
    check_clipping,
    check_optimizer,
    gradients_of,
    refuse_bad_step,
    total_norm,
)
from mmsemiloc.models import WholeBatch
from mmsemiloc.models.batch_norm import statistics_at_rest
from mmsemiloc.models.numerics import check_number
from mmsemiloc.registry import OPTIM_WRAPPERS


def split_batch(data: dict, size: int | None) -> list[dict]:
    """Cut a collated batch into consecutive micro-batches of ``size`` images (the last may be
    smaller); None: one piece.

    Args:
        data: ``inputs``, a tensor or list of T images, and ``data_samples``, a list of T.
    """
    total = len(data['data_samples'])
    return [
        {key: value[i : i + (size or total)] for key, value in data.items()}
        for i in range(0, total, size or total)
    ]


def add_logs(logs: list[dict]) -> dict:
    """Logged values of the whole batch: each micro-batch gives its part of them."""
    return {key: sum(log[key].detach() for log in logs) for key in logs[0]}


def gradient_sync(model: nn.Module, last: bool) -> contextlib.AbstractContextManager:
    """Context in which DDP exchanges gradients in the last backward pass of a step only."""
    return contextlib.nullcontext() if last or not hasattr(model, 'no_sync') else model.no_sync()


@OPTIM_WRAPPERS.register_module()
class AccumOptimWrapper(OptimWrapper):
    """``OptimWrapper`` whose batch is the effective batch of one step, run in micro-batches to save
    memory.

    One iteration of the runner is one optimizer step, so schedulers, EMA, logging, ``max_iters``
    and resume count steps. Losses are those of the whole batch: means over T images, cross-entropy
    over R labelled ones, NBEL of the mean prediction over all T, also with a smaller last
    micro-batch; gradients equal those of one loss over the retained graphs of all micro-batches.
    Works with ``SemiSupClassifier``, and with ``SemiSupDistributedDataParallel`` where it is
    distributed.

    Before each step the terms of the loss and the norm of all gradients are checked: see
    :func:`refuse_bad_step`.

    Args:
        micro_batch_size: Images a micro-batch; None for the whole batch at once.
        nbel_batch_size: For comparisons: NBEL as the mean over groups of so many consecutive images
            a rank, exact within each. As large as a micro-batch, it is what plain accumulation
            trains (and there is no second pass). None, the default, for the whole batch.
        **kwargs: For ``OptimWrapper``, except ``accumulative_counts``.

    Raises:
        ValueError: If ``micro_batch_size`` is less than 1, ``nbel_batch_size`` is no multiple of
            it, ``accumulative_counts`` is set, or a number of the optimizer or of ``clip_grad`` can
            never be meant.
    """

    def __init__(
        self, micro_batch_size: int | None = None, nbel_batch_size: int | None = None, **kwargs
    ) -> None:
        if kwargs.get('accumulative_counts', 1) != 1:
            raise ValueError(
                f'AccumOptimWrapper: accumulative_counts={kwargs["accumulative_counts"]} would '
                "accumulate over iterations; enlarge the dataloader's batch_size and set "
                'micro_batch_size instead'
            )
        for name, value in (
            ('micro_batch_size', micro_batch_size),
            ('nbel_batch_size', nbel_batch_size),
        ):
            if value is not None:
                check_number(name, value, 1, whole=True)
        if nbel_batch_size is not None and (
            not micro_batch_size or nbel_batch_size % micro_batch_size
        ):
            raise ValueError(
                f'nbel_batch_size must be a multiple of micro_batch_size={micro_batch_size}, '
                f'got {nbel_batch_size}'
            )
        check_clipping(kwargs.get('clip_grad'))
        super().__init__(**kwargs)
        check_optimizer(self.optimizer)
        self._norm: tuple[Tensor, float] | None = (
            None  # that of the gradients before a step, if it is known
        )
        self.micro_batch_size, self.nbel_batch_size = micro_batch_size, nbel_batch_size

    def update_params(self, loss: Tensor, *args, **kwargs) -> None:
        """Refuse the stock training step, which would run the effective batch at once.

        Raises:
            RuntimeError: Always, if ``micro_batch_size`` is set.
        """
        if self.micro_batch_size is not None:
            raise RuntimeError(
                'AccumOptimWrapper(micro_batch_size=...) works only with model type '
                'mmsemiloc.SemiSupClassifier, and when distributed with '
                "model_wrapper_cfg=dict(type='mmsemiloc.SemiSupDistributedDataParallel')"
            )
        super().update_params(loss, *args, **kwargs)

    def train_batch(self, model: nn.Module, data: dict) -> dict:
        """Forward and backward of all micro-batches, then one optimizer step.

        NBEL does not add up over micro-batches, but its gradient needs only the mean prediction of
        all of them. So if it is on, a first pass without graphs sums the predictions; the last
        micro-batch keeps its graph, closes the sum and goes first in the second pass. That costs (4
        M - 1) / (3 M) of a single pass over M micro-batches, at the memory of one.

        Args:
            model: A ``SemiSupClassifier``, or its DDP wrapper.
            data: The collated effective batch of this rank.

        Returns:
            Values to log, of the whole batch.

        Raises:
            NotFiniteError: If a term of the loss or the gradient is not finite; see
                :func:`refuse_bad_step`.
        """
        module: nn.Module = model.module if is_model_wrapper(model) else model  # type: ignore[assignment]
        whole = WholeBatch.of_batch(data, next(module.parameters()).device)
        groups = split_batch(data, self.nbel_batch_size)
        parts: list[Part] = []
        for i, group in enumerate(groups):
            pieces = split_batch(group, self.micro_batch_size)
            parts += self._run_group(
                model, module, pieces, whole.without_predictions(), last=i == len(groups) - 1
            )
        norm = self._gradient_norm()
        value = refuse_bad_step(parts, module, self.optimizer, norm)
        self._norm = None if norm is None or value is None else (norm, value)
        self.step()
        self.zero_grad()
        return add_logs([dict(part.log) for part in parts])

    def _gradient_norm(self) -> Tensor | None:
        """Norm of the gradients before the step, the one to clip if they are clipped; None if it
        says nothing.
        """
        return total_norm(
            gradients_of(self.optimizer), float((self.clip_grad_kwargs or {}).get('norm_type', 2))
        )

    def _clip_grad(self) -> None:
        """Clip as ``OptimWrapper`` does, with the norm that is known already."""
        if self._norm is None or self.grad_name != 'grad_norm':
            super()._clip_grad()
            return
        (norm, value), self._norm = self._norm, None
        parameters = [p for group in self.optimizer.param_groups for p in group['params']]
        clip_grads_with_norm_(
            parameters,
            self.clip_grad_kwargs['max_norm'],
            norm,
            self.clip_grad_kwargs.get('foreach'),
        )
        self.message_hub.update_scalar('train/grad_norm', value)

    def _run_group(
        self, model: nn.Module, module: nn.Module, parts: list[dict], whole: WholeBatch, last: bool
    ) -> list[Part]:
        """Both passes over micro-batches that share a mean prediction; each with its values to log."""
        if len(parts) > 1 and module.head.needs_whole_batch():
            states = [self._sum_predictions(model, module, part, whole) for part in parts[:-1]]
            runs = [(parts[-1], None), *zip(parts[:-1], states, strict=True)]
        else:
            runs = [(part, None) for part in parts]
        done: list[Part] = []
        end = None
        for i, (part, state) in enumerate(runs):
            if state is not None:  # a second pass, with the random numbers of the first
                end = end or RandomState(whole.counts.device)
                state.restore()
            with (
                gradient_sync(model, last=last and i == len(runs) - 1),
                contextlib.ExitStack() as stack,
            ):
                if state is not None:
                    stack.enter_context(statistics_at_rest(module))
                loss, log = self._forward(model, module, part, whole)
                if state is None:  # gradient checkpointing runs layers again in the backward pass
                    stack.enter_context(statistics_at_rest(module))
                self.backward(loss)
            done.append(Part(part, log))
        if end is not None:
            end.restore()
        return done

    def _sum_predictions(
        self, model: nn.Module, module: nn.Module, part: dict, whole: WholeBatch
    ) -> RandomState:
        """First pass of a micro-batch: add its predictions.

        Return the state that its random numbers began with.
        """
        state = RandomState(whole.counts.device)
        # The preprocessor writes into the data samples, and will see them again.
        part = {**part, 'data_samples': [sample.new() for sample in part['data_samples']]}
        with torch.no_grad(), self.optim_context(model):
            batch = module.data_preprocessor(part, True)
            module.head.add_predictions(model(**batch, mode='tensor'), batch['data_samples'], whole)
        return state

    def _forward(
        self, model: nn.Module, module: nn.Module, part: dict, whole: WholeBatch
    ) -> tuple[Tensor, dict]:
        """Loss of a micro-batch with its graph, and values to log."""
        with self.optim_context(model):
            losses = model(**module.data_preprocessor(part, True), mode='loss', whole=whole)
        loss, log = module.parse_losses(losses)
        return loss, {key: value.detach() for key, value in log.items()}
