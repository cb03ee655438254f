"""Which images are labelled and which are not: nested, disjoint, and the same for the same seed."""

import numpy as np

BALANCES = ('classes', 'proportional')


def class_sequence(
    labels: np.ndarray, rng: np.random.Generator, balance: str = 'classes'
) -> np.ndarray:
    """An order of the images of which every beginning is balanced.

    So larger sets hold the smaller ones. Images of a class come in random order. With 'classes',
    the classes take turns (in a random order; a class that is used up is left out), so that their
    counts in a beginning differ by 1 at most. With 'proportional', the k-th of n images of a class
    stands at (k + 1/2) / n of the whole, so that a beginning has of each class its share of the
    whole.

    Args:
        labels: Class of each image, integers (N,).
        rng: Source of randomness.
        balance: 'classes' or 'proportional'.

    Returns:
        A permutation of 0 ... N - 1.

    Raises:
        ValueError: If ``balance`` is unknown.
    """
    if balance not in BALANCES:
        raise ValueError(f'balance must be one of {BALANCES}, got {balance!r}')

    # The images of each class in random order, one class after the other.
    counts = np.bincount(labels)
    shuffled = rng.permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind='stable')]

    # Where each image stands in its class, and who comes first of those at the same place.
    rank = np.arange(len(labels)) - np.repeat(np.cumsum(counts) - counts, counts)
    place = rank if balance == 'classes' else (rank + 0.5) / np.repeat(counts, counts)
    turn = np.repeat(rng.permutation(len(counts)), counts)
    return by_class[np.lexsort((turn, place))]


def draw_splits(
    labels: np.ndarray,
    num_labeled: list[int],
    num_unlabeled: list[int],
    seed: int,
    balance: str = 'classes',
    labeled: np.ndarray | None = None,
) -> tuple[dict[int, np.ndarray], dict[int, np.ndarray]]:
    """Labelled and unlabelled sets of several sizes.

    Larger sets hold the smaller ones of their kind, and no image is in sets of both kinds. The
    unlabelled sets depend on the largest labelled one, and not on the other sizes.

    Args:
        labels: Class of each image, integers (N,).
        num_labeled: Sizes of the labelled sets.
        num_unlabeled: Sizes of the unlabelled sets.
        seed: Seed of the order, at least 0.
        balance: See :func:`class_sequence`.
        labeled: Indices of the one labelled set, if it is given (a published list).

    Returns:
        For each size the sorted indices: of the labelled sets, of the unlabelled sets.

    Raises:
        ValueError: If a size is less than 1, or there are fewer images than the largest two sets
            need, or fewer labelled ones than classes.
    """
    sizes = [len(labeled)] if labeled is not None else num_labeled
    needed = max(sizes) + max(num_unlabeled, default=0)
    if min([*sizes, *num_unlabeled]) < 1 or needed > len(labels):
        raise ValueError(
            f'cannot draw {", ".join(map(str, sizes))} labelled and '
            f'{", ".join(map(str, num_unlabeled))} unlabelled images from {len(labels)}: choose at '
            f'least 1 of each kind, and no more than {len(labels)} in all'
        )
    num_classes = len(np.unique(labels))
    if labeled is None and min(sizes) < num_classes:
        raise ValueError(
            f'{min(sizes)} labelled images are fewer than the {num_classes} classes, so that some '
            f'could not be learned: choose at least {num_classes}'
        )

    if labeled is not None:
        first = labeled
    else:
        first = class_sequence(labels, np.random.default_rng([seed, 0]), balance)

    # What no labelled set has, in an order of its own.
    rest = np.setdiff1d(np.arange(len(labels)), first[: max(sizes)])
    second = rest[class_sequence(labels[rest], np.random.default_rng([seed, 1]), balance)]
    return {n: np.sort(first[:n]) for n in sizes}, {n: np.sort(second[:n]) for n in num_unlabeled}
