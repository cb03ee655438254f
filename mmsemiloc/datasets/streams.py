"""Endless orders of images of which any part is found without drawing what comes before it."""

import numpy as np


class ShuffledPasses:
    """Endless stream of passes over ``range(size)``, each a permutation of a generator of its own.

    So any part of the stream is found without drawing what comes before it.

    Args:
        size: Images of the source.
        key: Seed and number of the source; None for passes in order.
    """

    def __init__(self, size: int, key: tuple[int, ...] | None) -> None:
        self.size, self.key = size, key
        self.number = -1
        self.order: np.ndarray = np.empty(0, np.int64)

    def _pass(self, number: int) -> np.ndarray:
        """The permutation of one pass; the last one used is kept."""
        if number != self.number:
            order: np.ndarray = np.arange(
                self.size, dtype=np.int32 if self.size < 2**31 else np.int64
            )
            if self.key is not None:
                np.random.default_rng([*self.key, number]).shuffle(order)
            self.number, self.order = number, order
        return self.order

    def draw(self, start: int, count: int) -> list[int]:
        """Places ``start`` to ``start + count - 1`` of the stream."""
        drawn: list[int] = []
        while len(drawn) < count:
            number, offset = divmod(start + len(drawn), self.size)
            drawn += self._pass(number)[offset : offset + count - len(drawn)].tolist()
        return drawn


class BalancedPasses:
    """Endless stream in which the classes take turns, and each class passes through its images.

    The order of the classes is new in each round. The counts of any two classes differ by 1 at
    most, and images of a small class come again more often.

    Args:
        labels: Class of each image (N,); every class from 0 to the largest has an image.
        key: As for :class:`ShuffledPasses`.
    """

    def __init__(self, labels: np.ndarray, key: tuple[int, ...] | None) -> None:
        order, counts = np.argsort(labels, kind='stable'), np.bincount(labels)
        self.members = np.split(order, counts.cumsum()[:-1])
        self.rounds = ShuffledPasses(len(counts), None if key is None else (*key, 0))
        self.passes = [
            ShuffledPasses(count, None if key is None else (*key, 1 + label))
            for label, count in enumerate(counts)
        ]

    def draw(self, start: int, count: int) -> list[int]:
        """Places ``start`` to ``start + count - 1`` of the stream."""
        drawn = []
        for place, label in enumerate(self.rounds.draw(start, count), start):
            turn = place // len(self.members)
            drawn.append(int(self.members[label][self.passes[label].draw(turn, 1)[0]]))
        return drawn
