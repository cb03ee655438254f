"""Hook that bounds the history of logged numbers, which MMEngine keeps and saves as a whole."""

from typing import ClassVar

from mmengine.hooks import Hook
from mmengine.logging import HistoryBuffer, MessageHub
from mmengine.runner import EpochBasedTrainLoop, LogProcessor, Runner

from mmsemiloc.engine.hooks.step_arguments import StepArguments
from mmsemiloc.models.numerics import check_number
from mmsemiloc.registry import HOOKS


def values_needed(processor: LogProcessor, epoch: int | None) -> int | None:
    """How many values of each number the log's means are over; None for all of them.

    Args:
        processor: What computes the means.
        epoch: Batches of an epoch; None in a loop that counts iterations, where the whole run is
            one.
    """
    windows = [processor.window_size, *(cfg.get('window_size', 1) for cfg in processor.custom_cfg)]
    if 'global' in windows or ('epoch' in windows and epoch is None):
        return None
    return max(epoch or 0 if window == 'epoch' else window for window in windows)


def bound(hub: MessageHub, most: int) -> None:
    """Let each history of a hub keep its last ``most`` values."""
    for name, history in hub.log_scalars.items():
        if history.max_length != most:
            values, counts = history.data
            hub.log_scalars[name] = HistoryBuffer(values[-most:], counts[-most:], most)


@HOOKS.register_module()
class HistoryHook(Hook):
    """Keeps the last values of each logged number, in memory and in checkpoints.

    MMEngine keeps up to a million of each, copies them all for every new one, and saves them with
    every checkpoint. Means of ``log_processor`` are the same as without this hook: more values are
    kept where one is over more.

    Args:
        keep: Values of each number, at least 1.

    Raises:
        ValueError: If it is less.
    """

    step_arguments: ClassVar[StepArguments] = {}
    priority = 'VERY_LOW'

    def __init__(self, keep: int = 1000) -> None:
        self.keep = check_number('keep of HistoryHook', keep, 1, whole=True)

    def before_train(self, runner: Runner) -> None:
        """Find out how many values the log needs; shorten histories of a resumed run."""
        loop = runner.train_loop
        epoch = len(loop.dataloader) if isinstance(loop, EpochBasedTrainLoop) else None
        needed = values_needed(runner.log_processor, epoch)
        self._most = None if needed is None else max(int(self.keep), needed)
        self._bound(runner)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: object = None, outputs: object = None
    ) -> None:
        """Bound the histories of numbers that are new."""
        self._bound(runner)

    def _bound(self, runner: Runner) -> None:
        """Bound all histories."""
        if self._most is not None:
            bound(runner.message_hub, self._most)
