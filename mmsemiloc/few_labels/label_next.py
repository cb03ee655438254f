"""Which images to label next."""

import numpy as np

from mmsemiloc.few_labels.outcome import ROUNDING


def in_turn(groups: np.ndarray, values: np.ndarray, number: int) -> np.ndarray:
    """Places of ``number`` items, taken from the groups in turn.

    First come the items with the smallest value of each group, then those with the second smallest,
    and so on; within a turn smaller values come first. Of equal ones the first in order is first.

    Args:
        groups: Group of each item (N,).
        values: What items are sorted by (N,).
        number: How many to take; all if there are fewer.
    """
    turn = np.zeros(len(groups), np.int64)
    for group in np.unique(groups):
        members = np.flatnonzero(groups == group)
        turn[members[np.argsort(values[members], kind='stable')]] = np.arange(len(members))
    return np.lexsort((values, turn))[:number]


def most_useful(probabilities: np.ndarray, number: int = 20) -> np.ndarray:
    """Places of the images whose label would help most.

    The margin of an image is ``p_1 - p_2``, the probability of its most probable class less that of
    the second: the smaller it is, the more the label would tell (margin sampling, Scheffer et al.
    2001; section 3.1 of Settles' survey, https://burrsettles.com/pub/settles.activelearning.pdf).
    Many of the smallest margins may lie between the same two classes. So the predicted classes
    take turns, each with its smallest margins, see :func:`in_turn`.

    Args:
        probabilities: Of N images for C >= 2 classes (N, C), each 0 to 1.
        number: How many to take; all if there are fewer.

    Raises:
        ValueError: If there are fewer than two classes, or a probability is not a number from 0 to
            1.
    """
    if probabilities.ndim != 2 or probabilities.shape[1] < 2:
        raise ValueError(
            'probabilities must have shape (images, classes) with at least 2 classes, '
            f'got {probabilities.shape}'
        )
    if number < 0:
        raise ValueError(f'number must be at least 0, got {number}')
    wrong = ~((probabilities >= 0) & (probabilities <= 1 + ROUNDING))
    if wrong.any():
        raise ValueError(f'probabilities must be from 0 to 1, got {probabilities[wrong][0]}')

    ordered = np.sort(probabilities, 1)
    return in_turn(probabilities.argmax(1), ordered[:, -1] - ordered[:, -2], number)
