"""What happens when an image cannot be read, and when a transform of its pipeline fails."""

import logging
from collections.abc import Callable, Iterable, Iterator
from types import FrameType

import cv2
import torch
from mmcv.transforms import BaseTransform, Compose
from mmengine.dataset import Compose as EngineCompose
from mmengine.logging import print_log
from PIL.Image import DecompressionBombError

from mmsemiloc.datasets.image_pixels import ImageFault

ACTIONS = ('raise', 'skip')


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


class FaultPolicy:
    """Raises for an unreadable image, or lets it be replaced as long as there are few.

    Args:
        action: 'raise', or 'skip' to log the image once and take another one for it.
        budget: Images that 'skip' tolerates on each process of a distributed run; one more is an
            error.

    Raises:
        ValueError: If the action is unknown, or the budget negative, or given for 'raise'.
    """

    def __init__(self, action: str = 'raise', budget: int = 0) -> None:
        if action not in ACTIONS:
            raise ValueError(f'action must be one of {ACTIONS}, got {action!r}')
        if budget < 0 or (budget and action == 'raise'):
            raise ValueError(
                "budget must be at least 0, and is for action='skip' alone; "
                f'got {budget} for {action!r}'
            )
        self.action, self.budget = action, budget
        self._skipped = torch.zeros(0, dtype=torch.bool)

    def prepare(self, num_images: int) -> None:
        """Make room for the number of images, in memory that the workers of a dataloader share."""
        if self.action == 'skip':
            self._skipped = torch.zeros(num_images, dtype=torch.bool).share_memory_()

    def is_skipped(self, index: int) -> bool:
        """Whether the image is known to be unreadable, and to be replaced."""
        return self.action == 'skip' and bool(self._skipped[index])

    @property
    def num_skipped(self) -> int:
        """Different images that have been skipped so far, by all workers."""
        return int(self._skipped.sum())

    def first_readable(
        self,
        places: Iterable[int],
        read: Callable[[int], dict],
        describe: Callable[[int], str],
        start: int = 0,
    ) -> dict:
        """The sample of the first image that can be read.

        Args:
            places: Places of images in their source, the wanted one first.
            read: Runs the pipeline on the image at a place.
            describe: Names the image at a place, with its source, index and path.
            start: Index of the source's first image, as :meth:`prepare` counts.

        Raises:
            UnreadableImageError: If an image cannot be read and may not be replaced, or none can be
                read.
            TransformError: If a transform other than the loading one fails, whatever the action is.
        """
        place = None
        for place in places:
            if self.is_skipped(start + place):
                continue
            try:
                return read(place)
            except Exception as error:
                if not cannot_be_read(error):
                    named = transform_error(error, describe(place))
                    if named is error:
                        raise
                    raise named from error
                self.handle(start + place, describe(place), error)
        last = '' if place is None else f', last of all {describe(place)}'
        raise UnreadableImageError(f'no image can be read{last}')

    def handle(self, index: int, description: str, error: Exception) -> None:
        """Mark and log the image, which another one may replace.

        Raises:
            UnreadableImageError: With the description and the cause, if it may not.
        """
        message = f'cannot read {description}: {in_words(error)}'
        if self.action == 'raise':
            raise UnreadableImageError(message) from error
        if self.num_skipped >= self.budget:
            raise UnreadableImageError(
                f'{message}; {self.num_skipped + 1} unreadable images, but only {self.budget} are '
                'tolerated'
            ) from error
        self._skipped[index] = True
        print_log(
            f'{message}; the next image takes its place '
            f'({self.num_skipped} of {self.budget} tolerated)',
            logger='current',
            level=logging.WARNING,
        )
