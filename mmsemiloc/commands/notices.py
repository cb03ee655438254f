"""Keeps notices that OpenMMLab packages print at import off the terminal."""

import functools
import logging
import warnings
from collections.abc import Callable
from typing import Any

import mmengine.logging
from mmengine.logging import MMLogger

# How each begins: about OneDL's own data platform, and about C++ ops that our models do not need.
NOTICES = (
    'Could not import OneDL',  # mmpretrain, mmdet, mmseg
    'Line NMS is not compiled',  # mmdet
    'Fail to import ``MultiScaleDeformableAttention``',  # mmcv
)


def is_notice(message: object) -> bool:
    """Whether a message is one of :data:`NOTICES`."""
    return str(message).startswith(NOTICES)


def without_notices(function: Callable, place: int) -> Callable:
    """``function``, which does nothing if its argument at ``place`` is a notice.

    Args:
        function: Any function.
        place: Of a message or a log record among its positional arguments.
    """

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        said = args[place] if len(args) > place else ''
        if not is_notice(said.getMessage() if isinstance(said, logging.LogRecord) else said):
            return function(*args, **kwargs)
        return None

    return call


def leave_out_notices() -> None:
    """Leave out :data:`NOTICES` from now on, in this process, and nothing else."""
    warnings.filterwarnings('ignore', message=NOTICES[2])
    mmengine.logging.print_log = without_notices(mmengine.logging.print_log, 0)
    MMLogger.handle = without_notices(MMLogger.handle, 1)
