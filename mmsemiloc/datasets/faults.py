"""What happens when an image cannot be read."""
import logging

import cv2
import torch
from mmengine.logging import print_log
from PIL.Image import DecompressionBombError

ACTIONS = ('raise', 'skip')


class UnreadableImageError(RuntimeError):
    """An image cannot be read, or more of them than are tolerated."""


def cannot_be_read(error: Exception) -> bool:
    """Whether an exception of a pipeline means that the file is missing or damaged, and not that the program is wrong."""
    return isinstance(error, OSError | cv2.error | DecompressionBombError) or (
        isinstance(error, AssertionError) and str(error).startswith('failed to load image')) or (  # mmcv's LoadImageFromFile
        isinstance(error, TypeError) and 'bytes-like object' in str(error))  # a key that an LMDB does not have


class FaultPolicy:
    """Raises for an unreadable image, or lets it be replaced as long as there are few.

    Args:
        action: 'raise', or 'skip' to log the image once and take another one for it.
        budget: Images that 'skip' tolerates on each process of a distributed run; one more is an error.

    Raises:
        ValueError: If the action is unknown, or the budget negative, or given for 'raise'.
    """

    def __init__(self, action: str = 'raise', budget: int = 0) -> None:
        if action not in ACTIONS:
            raise ValueError(f'action must be one of {ACTIONS}, got {action!r}')
        if budget < 0 or (budget and action == 'raise'):
            raise ValueError(f"budget must be at least 0, and is for action='skip' alone; got {budget} for {action!r}")
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

    def handle(self, index: int, description: str, error: Exception) -> None:
        """Mark and log the image, which another one may replace.

        Raises:
            UnreadableImageError: With the description and the cause, if it may not.
        """
        message = f'cannot read {description}: {type(error).__name__}: {" ".join(str(error).split())}'
        if self.action == 'raise':
            raise UnreadableImageError(message) from error
        if self.num_skipped >= self.budget:
            raise UnreadableImageError(f'{message}; {self.num_skipped + 1} unreadable images, but only {self.budget} are '
                                       'tolerated') from error
        self._skipped[index] = True
        print_log(f'{message}; the next image takes its place ({self.num_skipped} of {self.budget} tolerated)',
                  logger='current', level=logging.WARNING)
