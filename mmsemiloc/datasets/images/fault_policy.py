"""What happens when an image cannot be read: an error, or another image for it."""

import logging
from collections.abc import Callable, Iterable

import torch
from mmengine.logging import print_log

from mmsemiloc.datasets.images.errors import (
    UnreadableImageError,
    cannot_be_read,
    in_words,
    transform_error,
)

ACTIONS = ('raise', 'skip')


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
                if cannot_be_read(error):
                    self.handle(start + place, describe(place), error)
                    continue

                # A fault of the pipeline or the program, which no other image would mend.
                named = transform_error(error, describe(place))
                if named is error:
                    raise
                raise named from error

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

        # Mark first, then count: of two workers that come here at once, one sees both marks.
        self._skipped[index] = True
        skipped = self.num_skipped
        if skipped > self.budget:
            self._skipped[index] = False  # so that it is an error the next time, too
            raise UnreadableImageError(
                f'{message}; {skipped} unreadable images, but only {self.budget} are tolerated'
            ) from error

        print_log(
            f'{message}; the next image takes its place ({skipped} of {self.budget} tolerated)',
            logger='current',
            level=logging.WARNING,
        )
