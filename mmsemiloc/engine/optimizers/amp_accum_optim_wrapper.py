"""Mixed precision for the wrapper that splits the batch into micro-batches."""

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from mmengine.device import get_device
from torch import Tensor, nn

from mmsemiloc.engine.checks.bad_step import ADVICE, at_step
from mmsemiloc.engine.checks.finite import NotFiniteError
from mmsemiloc.engine.optimizers.accum_optim_wrapper import AccumOptimWrapper
from mmsemiloc.models.numerics import check_number
from mmsemiloc.registry import OPTIM_WRAPPERS

DTYPES = ('float16', 'bfloat16')
MAX_SKIPPED = 20  # steps in a row


@OPTIM_WRAPPERS.register_module()
class AmpAccumOptimWrapper(AccumOptimWrapper):
    """``AccumOptimWrapper`` under autocast; the losses stay in float32.

    MMEngine's ``AmpOptimWrapper`` refuses CPUs, which compute bfloat16 well; hence this is not a
    subclass of it.

    Args:
        dtype: 'float16' (with a loss scaler) or 'bfloat16' (without, it has float32's range); by
            default float16 on accelerators and bfloat16 on CPUs.
        init_scale: First factor of the loss with float16; halved when gradients overflow, which
            skips the step. Steps skipped since the beginning of training are logged as
            ``skipped_steps``. Gradients that overflow are no fault, so that only the terms of the
            loss are checked then; but a scale that keeps falling ends the run.
        **kwargs: For ``AccumOptimWrapper``.

    Raises:
        ValueError: If the type is neither, or the factor not above 0.
    """

    def __init__(
        self, dtype: str | None = None, init_scale: float = 2.0**16, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.device_type = get_device()

        # CPUs compute bfloat16 well.
        dtype = dtype or ('bfloat16' if self.device_type == 'cpu' else 'float16')
        if dtype not in DTYPES:
            raise ValueError(f'dtype must be one of {DTYPES}, got {dtype!r}')
        self.cast_dtype = getattr(torch, dtype)

        check_number('init_scale', init_scale, above=0)
        self.loss_scaler = torch.amp.GradScaler(
            self.device_type, init_scale=init_scale, enabled=dtype == 'float16'
        )
        self.skipped_steps = self._skipped_in_a_row = 0

    @contextlib.contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Autocast for the forward pass."""
        with super().optim_context(model), torch.autocast(self.device_type, self.cast_dtype):
            yield

    def _gradient_norm(self) -> Tensor | None:
        """None with a scaler, which looks at the scaled gradients itself."""
        return None if self.loss_scaler.is_enabled() else super()._gradient_norm()

    def backward(self, loss: Tensor, **kwargs: Any) -> None:
        """Gradients of the scaled loss."""
        super().backward(self.loss_scaler.scale(loss), **kwargs)

    def step(self, **kwargs: Any) -> None:
        """Clip and step on unscaled gradients; nothing if they overflowed.

        Raises:
            NotFiniteError: If all of the last steps overflowed, down to a scale at which sound
                gradients do not.
        """
        if self.clip_grad_kwargs:
            self.loss_scaler.unscale_(self.optimizer)
            self._clip_grad()

        # A smaller scale tells that the gradients overflowed and the step was skipped.
        scale = self.loss_scaler.get_scale()
        self.loss_scaler.step(self.optimizer, **kwargs)
        self.loss_scaler.update()
        new_scale = self.loss_scaler.get_scale()
        skipped = new_scale < scale
        self.skipped_steps += skipped
        self._skipped_in_a_row = self._skipped_in_a_row + 1 if skipped else 0
        if self._skipped_in_a_row >= MAX_SKIPPED and new_scale < 1:
            raise NotFiniteError(
                f'float16: gradients overflowed in each of the last {self._skipped_in_a_row} '
                f'steps, down to a loss scale of {new_scale:g}{at_step(self.optimizer)}. Use '
                f"optim_wrapper.dtype='bfloat16', or {ADVICE}"
            )
        if self.loss_scaler.is_enabled():
            self.message_hub.update_scalar('train/skipped_steps', self.skipped_steps)

    def state_dict(self) -> dict:
        """That of the optimizer, and of the scaler as ``loss_scaler``."""
        return {
            **super().state_dict(),
            'loss_scaler': self.loss_scaler.state_dict(),
            'skipped_steps': self.skipped_steps,
            'skipped_in_a_row': self._skipped_in_a_row,
        }

    def load_state_dict(self, state_dict: dict) -> None:
        """Load what :meth:`state_dict` returned, or the state of a wrapper without a scaler."""
        state_dict = dict(state_dict)
        self.skipped_steps = state_dict.pop('skipped_steps', 0)
        self._skipped_in_a_row = state_dict.pop('skipped_in_a_row', 0)
        scaler = state_dict.pop('loss_scaler', None)
        if scaler and self.loss_scaler.is_enabled():
            self.loss_scaler.load_state_dict(scaler)
        super().load_state_dict(state_dict)
