"""MMEngine's runner with a readable terminal, and with pretrained weights that fit."""

import logging
from typing import Any

from mmengine.logging import MMLogger
from mmengine.runner import Runner

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
    """

    def build_logger(self, *args: Any, **kwargs: Any) -> MMLogger:
        """As ``Runner.build_logger``."""
        logger = super().build_logger(*args, **kwargs)
        for handler in logger.handlers:
            if not isinstance(handler, logging.FileHandler):
                handler.addFilter(is_not_a_dump)
        return logger

    def _init_model_weights(self) -> None:
        """As ``Runner``, with checkpoints that fit; see :func:`pretrained_fits`."""
        with pretrained_fits(inner_model(self.model)):
            super()._init_model_weights()
