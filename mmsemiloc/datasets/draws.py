"""Indices of images that know which draw of a run they are, so that their transforms do too."""

from __future__ import annotations

from mmsemiloc.datasets.random_state import IMAGES, seed_everything


class Draw(int):
    """Index of an image, as one draw of a run.

    Random numbers of its transforms are a function of the run's seed and of the place in the global
    order. So they depend neither on what was drawn before, as after a resumption, nor on the number
    of workers and ranks.

    Args:
        index: Number of the image in its dataset.
        seed: Seed of the run.
        place: Images of all ranks that were drawn before it since the beginning of training.
    """

    seed: int
    place: int

    def __new__(cls, index: int, seed: int, place: int) -> Draw:
        """An int with two more numbers."""
        draw = super().__new__(cls, index)
        draw.seed, draw.place = seed, place
        return draw

    def __reduce__(self) -> tuple:
        """Keep both on the way to a worker."""
        return Draw, (int(self), self.seed, self.place)

    def seed_transforms(self) -> None:
        """Set all random number generators of this process for the transforms of this draw."""
        seed_everything(IMAGES, self.seed, self.place)
