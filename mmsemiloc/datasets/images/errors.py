"""What happens when an image cannot be read, and when a transform of its pipeline fails."""

from collections.abc import Iterator
from types import FrameType

import cv2
import torch
from mmcv.transforms import BaseTransform, Compose
from mmengine.dataset import Compose as EngineCompose
from PIL.Image import DecompressionBombError


class ImageFault(ValueError):
    """A file that is not a picture, or one that cannot be shown as a person sees it."""


class DataError(ValueError):
    """An error of one line, also from a worker process, which puts its traceback before it."""

    def __init__(self, message: str) -> None:
        last = message.strip().rpartition('\n')[2]
        remote = message.startswith('Caught ')
        super().__init__(last.partition(f'{type(self).__name__}: ')[2] if remote else message)


class UnreadableImageError(DataError):
    """An image cannot be read, or more of them than are tolerated."""


class TransformError(DataError):
    """A transform of a pipeline fails on an image that can be read."""


def in_words(error: BaseException) -> str:
    """An exception in one line."""
    text = ' '.join(str(error).split())
    if isinstance(error, ImageFault):
        return text
    return f'{type(error).__name__}: {text}' if text else type(error).__name__


def frames(error: BaseException) -> Iterator[FrameType]:
    """Where an exception came through, from the outermost call to the innermost."""
    trace = error.__traceback__
    while trace is not None:
        yield trace.tb_frame
        trace = trace.tb_next


def failing_transform(error: BaseException) -> object | None:
    """The innermost transform of a pipeline that an exception came through; None without one."""
    found = None
    for frame in frames(error):
        owner = frame.f_locals.get('self')
        if isinstance(owner, Compose | EngineCompose):
            # What it was calling: perhaps no BaseTransform, but a function.
            found = frame.f_locals.get('t', found)
        elif isinstance(owner, BaseTransform):
            found = owner

    return found


def transform_name(transform: object) -> str:
    """How a config calls a transform."""
    inner = getattr(transform, 't', None)
    if isinstance(inner, torch.nn.Module):
        return f'torchvision/{type(inner).__name__}'
    return getattr(transform, '__name__', None) or type(transform).__name__


def is_of_the_file(error: BaseException) -> bool:
    """Whether an exception, by its kind, means that a file is missing or damaged."""
    if isinstance(error, AssertionError):  # of mmcv's LoadImageFromFile
        return str(error).startswith('failed to load image')
    if isinstance(error, TypeError):  # a key that an LMDB does not have
        return 'bytes-like object' in str(error)
    return isinstance(error, OSError | ImageFault | cv2.error | DecompressionBombError)


def cannot_be_read(error: BaseException) -> bool:
    """Whether an exception is a fault of the image file: a loading transform fails on it."""
    transform = failing_transform(error)
    return is_of_the_file(error) and (
        transform is None or transform_name(transform).startswith('Load')
    )


def transform_error(error: Exception, description: str) -> Exception:
    """The error that names the transform which failed on an image; the same if none did.

    Args:
        error: What a pipeline raised.
        description: The image in words.
    """
    transform = failing_transform(error)
    if transform is None or isinstance(error, DataError):
        return error
    return TransformError(
        f'transform {transform_name(transform)} fails on {description}: {in_words(error)}'
    )
