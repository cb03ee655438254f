"""Optimizer wrapper that splits the batch of one optimizer step into micro-batches."""

import contextlib
import functools
from dataclasses import dataclass
from typing import Any, cast

import torch
from mmengine.optim import OptimWrapper
from mmpretrain.structures import DataSample
from torch import Tensor, nn
from torch.nn.utils import clip_grads_with_norm_

from mmsemiloc.datasets.random_state import RandomState
from mmsemiloc.engine.checks.bad_step import Part, refuse_bad_step
from mmsemiloc.engine.checks.finite import check_clipping, check_optimizer, gradients_of, total_norm
from mmsemiloc.models import EffectiveBatch, Predictions, SemiSupClassifier, inner_model
from mmsemiloc.models.batch_norm import statistics_at_rest
from mmsemiloc.models.numerics import check_number
from mmsemiloc.models.prediction_sum import PredictionSum
from mmsemiloc.models.views import Selection, Views
from mmsemiloc.registry import OPTIM_WRAPPERS


def split_batch(data: dict, size: int | None) -> list[dict]:
    """Cut a collated batch into consecutive micro-batches; the last one may be smaller.

    Args:
        data: ``inputs``, a tensor or list of T images, and ``data_samples``, a list of T.
        size: Images per micro-batch; None for one piece.
    """
    total = len(data['data_samples'])
    return [
        {key: value[i : i + (size or total)] for key, value in data.items()}
        for i in range(0, total, size or total)
    ]


def add_logs(logs: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Logged values of the effective batch, of which each micro-batch gives its part.

    One without the views that a term reads gives none of its values.
    """
    names = dict.fromkeys(name for log in logs for name in log)
    parts = {name: [log[name].detach() for log in logs if name in log] for name in names}
    return {name: functools.reduce(torch.add, values) for name, values in parts.items()}


def gradient_sync(model: nn.Module, last: bool) -> contextlib.AbstractContextManager:
    """Context in which DDP exchanges gradients in the last backward pass of a step only."""
    return contextlib.nullcontext() if last or not hasattr(model, 'no_sync') else model.no_sync()


@dataclass(frozen=True)
class Look:
    """What the first of two passes of a micro-batch leaves.

    Attributes:
        sums: Its predictions, summed for the means that terms read.
        state: The state of random numbers that it began with.
    """

    sums: dict[Selection, PredictionSum]
    state: RandomState


@OPTIM_WRAPPERS.register_module()
class AccumOptimWrapper(OptimWrapper):
    """``OptimWrapper`` whose batch is the effective batch of one step, run in micro-batches.

    That saves memory. One iteration of the runner is one optimizer step, so schedulers, EMA,
    logging, ``max_iters`` and resume count steps. Losses are those of the effective batch: means
    over T images, cross-entropy over R labelled ones, NBEL of the mean prediction over all T, also
    with a smaller last micro-batch. Gradients equal those of one loss over the retained graphs of
    all micro-batches. Works with ``SemiSupClassifier``, and with
    ``SemiSupDistributedDataParallel`` where it is distributed.

    Before each step the terms of the loss and the norm of all gradients are checked: see
    :func:`refuse_bad_step`.

    Args:
        micro_batch_size: Images per micro-batch; None for the effective batch at once.
        nbel_batch_size: For comparisons: NBEL as the mean over groups of so many consecutive images
            per rank, exact within each. As large as a micro-batch, it is what plain accumulation
            trains (and there is no second pass). None, the default, for the effective batch.
        **kwargs: For ``OptimWrapper``, except ``accumulative_counts``.

    Raises:
        ValueError: If ``micro_batch_size`` is less than 1, ``nbel_batch_size`` is not a multiple of
            it, ``accumulative_counts`` is set, or a number of the optimizer or of ``clip_grad`` can
            never be meant.
    """

    def __init__(
        self, micro_batch_size: int | None = None, nbel_batch_size: int | None = None, **kwargs: Any
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

        # Numbers that can never be meant are refused before the first step.
        check_clipping(kwargs.get('clip_grad'))
        super().__init__(**kwargs)
        check_optimizer(self.optimizer)
        # That of the gradients before a step, if it is known.
        self._norm: tuple[Tensor, float] | None = None
        self.micro_batch_size, self.nbel_batch_size = micro_batch_size, nbel_batch_size

    def update_params(self, loss: Tensor, *args: Any, **kwargs: Any) -> None:
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

    def train_batch(self, model: nn.Module, data: dict) -> dict[str, Tensor]:
        """Forward and backward of all micro-batches, then one optimizer step.

        NBEL does not add up over micro-batches, but its gradient needs only the mean prediction of
        all of them. So if it is on, a first pass without graphs sums the predictions of all but the
        last micro-batch. That one keeps its graph and closes the sum; then the others run again
        with the complete mean. That costs (4 M - 1) / (3 M) of a single pass over M micro-batches,
        at the memory of one.

        Args:
            model: A ``SemiSupClassifier``, or its DDP wrapper.
            data: The collated effective batch of this rank.

        Returns:
            Values to log, of the effective batch.

        Raises:
            NotFiniteError: If a term of the loss or the gradient is not finite; see
                :func:`refuse_bad_step`.
        """
        module = cast(SemiSupClassifier, inner_model(model))
        device = next(module.parameters()).device
        batch = EffectiveBatch.of(Views.of_collated(data['data_samples']), device)

        # Gradients of all micro-batches add up; ranks exchange them in the last backward pass.
        groups = split_batch(data, self.nbel_batch_size)
        parts: list[Part] = []
        for number, group in enumerate(groups, 1):
            pieces = split_batch(group, self.micro_batch_size)
            parts += self._run_group(model, module, pieces, batch, last=number == len(groups))

        # Nothing is updated unless everything is finite.
        norm = self._gradient_norm()
        value = refuse_bad_step(parts, module, self.optimizer, norm)
        self._norm = None if norm is None or value is None else (norm, value)
        self.step()
        self.zero_grad()
        return add_logs([dict(part.log) for part in parts])

    def _run_group(
        self,
        model: nn.Module,
        module: SemiSupClassifier,
        pieces: list[dict],
        batch: EffectiveBatch,
        last: bool,
    ) -> list[Part]:
        """Losses of the micro-batches that share a mean prediction, each with its gradients.

        Args:
            model: The model, which may be wrapped.
            module: The model without a wrapper.
            pieces: The micro-batches.
            batch: The effective batch, without means.
            last: Whether it is the last group of the step.
        """
        two_passes = len(pieces) > 1 and bool(module.head.mean_selections())
        earlier, closing = (pieces[:-1], pieces[-1:]) if two_passes else ([], pieces)
        looks = [self._look(model, module, piece) for piece in earlier]

        # With two passes there is one closing micro-batch; its predictions complete the sum.
        parts: list[Part] = []
        for number, piece in enumerate(closing, 1):
            with gradient_sync(model, last and not looks and number == len(closing)):
                part, complete = self._first_pass(model, module, piece, batch, looks)
            parts.append(part)
        if not looks:
            return parts

        # The others run again; later random numbers are as if they had not.
        end = RandomState(batch.counts.device)
        for number, (piece, look) in enumerate(zip(earlier, looks, strict=True), 1):
            with gradient_sync(model, last and number == len(earlier)):
                parts.append(self._second_pass(model, module, piece, complete, look))
        end.restore()
        return parts

    def _look(self, model: nn.Module, module: SemiSupClassifier, piece: dict) -> Look:
        """First pass of a micro-batch, without a graph."""
        state = RandomState(next(module.parameters()).device)
        # The preprocessor writes into the data samples, and will see them again.
        samples = [sample.new() for sample in piece['data_samples']]
        with torch.no_grad(), self.optim_context(model):
            data = module.data_preprocessor({**piece, 'data_samples': samples}, True)
            logits = model(**data, mode='tensor')
            sums = module.head.prediction_sums(logits, Views.of(data['data_samples']))
        return Look(sums, state)

    def _first_pass(
        self,
        model: nn.Module,
        module: SemiSupClassifier,
        piece: dict,
        batch: EffectiveBatch,
        looks: list[Look],
    ) -> tuple[Part, EffectiveBatch]:
        """Losses and gradients of a micro-batch; completes the effective batch by its predictions.

        Also returns the effective batch with its means.
        """
        predictions, samples = self._predict(model, module, piece)
        own = module.head.prediction_sums(predictions.logits, predictions.views)
        complete = batch.with_means([*(look.sums for look in looks), own])
        with statistics_at_rest(module):  # gradient checkpointing runs layers again
            return self._learn(module, piece, predictions, samples, complete), complete

    def _second_pass(
        self,
        model: nn.Module,
        module: SemiSupClassifier,
        piece: dict,
        batch: EffectiveBatch,
        look: Look,
    ) -> Part:
        """Losses and gradients of a micro-batch, with the random numbers of its first pass."""
        look.state.restore()
        with statistics_at_rest(module):
            predictions, samples = self._predict(model, module, piece)
            return self._learn(module, piece, predictions, samples, batch)

    def _predict(
        self, model: nn.Module, module: SemiSupClassifier, piece: dict
    ) -> tuple[Predictions, list[DataSample]]:
        """Predictions of a micro-batch with their graph, and a sample for each view."""
        with self.optim_context(model):
            data = module.data_preprocessor(piece, True)
            return model(**data, mode='predictions'), data['data_samples']

    def _learn(
        self,
        module: SemiSupClassifier,
        piece: dict,
        predictions: Predictions,
        samples: list[DataSample],
        batch: EffectiveBatch,
    ) -> Part:
        """Losses of a micro-batch and their gradients; returns the values to log."""
        with self.optim_context(module):
            losses = module.head.losses(predictions, samples, batch)
        loss, log = module.parse_losses(losses)
        self.backward(loss)
        return Part(piece, {name: value.detach() for name, value in log.items()})

    def _gradient_norm(self) -> Tensor | None:
        """Norm of the gradients before the step; None if it says nothing."""
        norm_type = float((self.clip_grad_kwargs or {}).get('norm_type', 2))
        return total_norm(gradients_of(self.optimizer), norm_type)

    def _clip_grad(self) -> None:
        """Clip as ``OptimWrapper`` does, with the norm that is known already."""
        if self._norm is None or self.grad_name != 'grad_norm':
            super()._clip_grad()
            return
        (norm, value), self._norm = self._norm, None
        parameters = [p for group in self.optimizer.param_groups for p in group['params']]
        max_norm, foreach = self.clip_grad_kwargs['max_norm'], self.clip_grad_kwargs.get('foreach')
        clip_grads_with_norm_(parameters, max_norm, norm, foreach)
        self.message_hub.update_scalar('train/grad_norm', value)
