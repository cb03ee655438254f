"""Keeps notices that OpenMMLab packages print while they are imported off the terminal of our tools."""
import functools
import logging
import warnings
from collections.abc import Callable

import mmengine.logging
from mmengine.logging import MMLogger

# How each begins: about OneDL's own data platform, and about C++ ops that neither our models nor our tools need.
NOTICES = (
    'Could not import OneDL',  # mmpretrain, mmdet, mmseg
    'Line NMS is not compiled',  # mmdet
    'Fail to import ``MultiScaleDeformableAttention``',  # mmcv
)


def is_notice(message: object) -> bool:
    """Whether a message is one of :data:`NOTICES`."""
    return str(message).startswith(NOTICES)


def without_notices(function: Callable, place: int) -> Callable:
    """``function``, which does nothing if its argument at ``place`` (a message, or a log record) is a notice."""

    @functools.wraps(function)
    def call(*args, **kwargs):
        said = args[place] if len(args) > place else ''
        if not is_notice(said.getMessage() if isinstance(said, logging.LogRecord) else said):
            return function(*args, **kwargs)

    return call


def leave_out_notices() -> None:
    """Leave out :data:`NOTICES` from now on, in this process, and nothing else."""
    warnings.filterwarnings('ignore', message=NOTICES[2])
    mmengine.logging.print_log = without_notices(mmengine.logging.print_log, 0)  # what a module imports it from
    MMLogger.handle = without_notices(MMLogger.handle, 1)
