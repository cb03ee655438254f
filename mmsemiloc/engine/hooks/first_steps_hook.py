"""Hook that says within seconds how fast a run is and how long it will take."""

import logging
import time
from collections.abc import Sequence
from typing import ClassVar

from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner

from mmsemiloc.engine.hooks.step_arguments import StepArguments
from mmsemiloc.models.numerics import check_number
from mmsemiloc.registry import HOOKS

UNITS = (('days', 86400), ('h', 3600), ('min', 60))


def duration(seconds: float) -> str:
    """A length of time in the unit that suits it, to two digits.

    Example:
        >>> [duration(t) for t in (8, 100, 5000, 68400, 2.2e6)]
        ['8 s', '100 s', '83 min', '19 h', '25 days']
    """
    for name, length in UNITS:
        if seconds >= 2 * length:
            return f'{seconds / length:.0f} {name}'
    return f'{seconds:.0f} s'


def progress_text(step: int, total: int, seconds: float, loss: float | None = None) -> str:
    """The line about one step.

    Args:
        step: Number of the step, from 1.
        total: Steps in all.
        seconds: Time of a step.
        loss: Its loss, if it is known.

    Example:
        >>> progress_text(1, 16900, 4.1, 1.23456)
        'step 1 of 16,900: loss 1.2346, 4.1 s per step, about 19 h left'
    """
    losses = '' if loss is None else f'loss {loss:.4f}, '
    speed = f'{seconds:.2g}' if seconds < 10 else f'{seconds:.0f}'
    left = duration(seconds * (total - step))
    return f'step {step:,} of {total:,}: {losses}{speed} s per step, about {left} left'


@HOOKS.register_module()
class FirstStepsHook(Hook):
    """Logs loss, seconds per step and time left at a few steps after the start or a resumption.

    The logger's first line may be hours away. The first step is timed without the start of the
    loader's workers, later lines give the mean over the steps after the first. Validation is not in
    the time left.

    Args:
        steps: Steps since the start at which there is a line.

    Raises:
        ValueError: If one is less than 1.
    """

    step_arguments: ClassVar[StepArguments] = {}
    priority = 'LOW'  # after the runner's own hooks have read the loss

    def __init__(self, steps: Sequence[int] = (1, 5, 20)) -> None:
        for step in steps:
            check_number('each of FirstStepsHook.steps', step, 1, whole=True)
        self.steps = tuple(steps)

    def before_train(self, runner: Runner) -> None:
        """Count from here."""
        self._done = 0
        self._first = 0.0  # when the first step was done

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: object = None) -> None:
        """Time the first step from when its images are there."""
        if self._done == 0:
            self._start = time.perf_counter()

    @master_only
    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: object = None, outputs: object = None
    ) -> None:
        """Log a line."""
        self._done += 1
        if self._done not in (1, *self.steps):
            return

        # The first step is slower than the others, so these are timed without it.
        now = time.perf_counter()
        seconds = now - self._start if self._done == 1 else (now - self._first) / (self._done - 1)
        if self._done == 1:
            self._first = now

        if self._done in self.steps and runner.iter + 1 < runner.max_iters:
            logged = runner.message_hub.log_scalars.get('train/loss')
            loss = logged and logged.current()
            text = progress_text(runner.iter + 1, runner.max_iters, seconds, loss)
            print_log(text, logger='current', level=logging.INFO)
