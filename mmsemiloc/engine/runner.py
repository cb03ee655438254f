"""MMEngine's runner with a readable terminal, pretrained weights that fit, and safe restarts."""

import functools
import logging
import os
from pathlib import Path
from typing import Any

from mmengine import dist
from mmengine.logging import MMLogger
from mmengine.runner import BaseLoop, Runner
from torch import nn
from torch.utils.data import DataLoader

from mmsemiloc.engine.hooks.restart_hook import RestartHook
from mmsemiloc.engine.restart.checkpoints import resume_point
from mmsemiloc.engine.restart.epoch_loop import ResumableEpochLoop
from mmsemiloc.engine.restart.recipe import recipe_of
from mmsemiloc.engine.restart.signals import start_worker
from mmsemiloc.models import inner_model
from mmsemiloc.models.checkpoints.backbone import pretrained_fits
from mmsemiloc.registry import RUNNERS

# What MMEngine logs at each start in hundreds of lines.
DUMPS = (
    'Config:\n',
    'Hooks will be executed in the following order:\n',
    '\n' + '-' * 60 + '\nSystem environment:',
)


def is_not_a_dump(record: logging.LogRecord) -> bool:
    """Whether a log record is not a dump of the environment, the config or the hooks."""
    return not record.getMessage().startswith(DUMPS)


@RUNNERS.register_module()
class SemiSupRunner(Runner):
    """``Runner`` whose long dumps go into the log file alone.

    These are the environment, the config and the order of hooks. A checkpoint of an ``init_cfg``
    that does not fit is a ``ValueError``.

    With ``resume=True`` it finds the newest whole checkpoint of the work dir by itself, and refuses
    one of another recipe. It goes on in the middle of an epoch, and its workers end with it.
    """

    _resume: bool
    _load_from: str | None

    def build_logger(self, *args: Any, **kwargs: Any) -> MMLogger:
        """As ``Runner.build_logger``."""
        logger = super().build_logger(*args, **kwargs)
        for handler in logger.handlers:
            if not isinstance(handler, logging.FileHandler):
                handler.addFilter(is_not_a_dump)
        return logger

    @staticmethod
    def build_dataloader(
        dataloader: DataLoader | dict, seed: int | None = None, diff_rank_seed: bool = False
    ) -> DataLoader:
        """As ``Runner``, with workers that never outlive this process."""
        loader = Runner.build_dataloader(dataloader, seed, diff_rank_seed)
        start = loader.worker_init_fn
        if getattr(start, 'func', None) is not start_worker:
            loader.worker_init_fn = functools.partial(start_worker, parent=os.getpid(), then=start)
        return loader

    def build_train_loop(self, loop: BaseLoop | dict) -> BaseLoop:
        """As ``Runner``, with a loop that goes on in the middle of an epoch."""
        if isinstance(loop, dict):
            stock = loop.get('type') == 'EpochBasedTrainLoop'
            if stock or ('type' not in loop and loop.get('by_epoch')):
                rest = {key: value for key, value in loop.items() if key != 'by_epoch'}
                loop = {**rest, 'type': ResumableEpochLoop}
        return super().build_train_loop(loop)

    def load_or_resume(self) -> None:
        """As ``Runner``, but from the newest whole checkpoint; the first process looks for it."""
        if self._resume and self._load_from is None and not self._has_loaded:
            recipe = recipe_of(self.cfg, dist.get_world_size())
            found: list[Path | None] = [None]
            if self.rank == 0:
                found[0] = resume_point(Path(self.work_dir), recipe, tell=self.logger.warning)
            dist.broadcast_object_list(found)
            self._load_from = None if found[0] is None else str(found[0])
            self._resume = found[0] is not None
        super().load_or_resume()

    def train(self) -> nn.Module:
        """As ``Runner``; signals are as before it at the end, also after an error."""
        try:
            return super().train()
        finally:
            for hook in self.hooks:
                if isinstance(hook, RestartHook):
                    hook.signals.leave()

    def _init_model_weights(self) -> None:
        """As ``Runner``, with checkpoints that fit; see :func:`pretrained_fits`."""
        with pretrained_fits(inner_model(self.model)):
            super()._init_model_weights()
