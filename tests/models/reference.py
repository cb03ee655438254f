"""Slow references of the terms: loops over images and classes, in Python's floats."""

import math

# Five images with so many views each, and (view, image) of their flat batch, by hand.
NUMBERS = [1, 2, 3, 2, 1]
TABLE = [(0, 0), (0, 1), (0, 2), (0, 3), (0, 4), (1, 1), (1, 2), (1, 3), (2, 2)]


def probabilities(logits):
    """softmax of each row of logits, as lists."""
    rows = []
    for row in logits.tolist():
        exps = [math.exp(z - max(row)) for z in row]
        rows.append([e / sum(exps) for e in exps])
    return rows


def views_of_images(numbers):
    """Places of the views of each image in the flat batch, first views first; [0] is that of the
    weak one.
    """
    places = [[] for _ in numbers]
    total = 0
    for view in range(max(numbers)):
        for image, number in enumerate(numbers):
            if view < number:
                places[image].append(total)
                total += 1
    return places


def normal(*shape, seed=0, scale=2.0):
    """Random logits."""
    import torch

    return scale * torch.randn(
        *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)
    )
