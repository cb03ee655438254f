"""Few labelled images, drawn by a seed, and the others as unlabelled ones."""

from typing import Any

import numpy as np
from mmengine.dataset import BaseDataset

from mmsemiloc.datasets.splits import class_sequence


def draw_labels(labels: np.ndarray, per_class: int, seed: int = 0) -> np.ndarray:
    """Indices (C * per_class,) of the labelled images, in ascending order.

    Each class has the same number of them. A smaller draw of the same seed is in the larger one.

    Args:
        labels: Class of each image, integers (N,).
        per_class: Labelled images of each class, at least 1.
        seed: Of the draw, at least 0.

    Raises:
        ValueError: If a class has too few images, or an argument is out of range.

    Example:
        >>> labels = np.arange(12) % 3
        >>> labels[draw_labels(labels, per_class=2)].tolist()
        [0, 2, 1, 2, 1, 0]
    """
    if per_class < 1 or seed < 0:
        raise ValueError(
            f'per_class must be at least 1 and seed at least 0, got {per_class} and {seed}'
        )

    names, classes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    if not len(names) or counts.min() < per_class:
        few = f'class {names[counts.argmin()]} has {counts.min()}' if len(names) else 'there are 0'
        raise ValueError(f'per_class={per_class}, but {few} images: choose fewer')

    # The classes take turns, so the beginning has the same number of each.
    order = class_sequence(classes, np.random.default_rng([seed, 0]))
    return np.sort(order[: per_class * len(names)])


class FewLabelsMixin(BaseDataset):
    """A dataset of which few images are labelled: those that a seed draws, or all the others.

    ``indices`` of MMEngine's ``BaseDataset`` counts within what is left.

    Args:
        *args: For the dataset.
        per_class: Labelled images of each class, see :func:`draw_labels`; None for all images.
        seed: Of the draw.
        labeled: Whether the dataset has the labelled images; otherwise all others.
        **kwargs: For the dataset.

    Raises:
        ValueError: As :func:`draw_labels`.
    """

    def __init__(
        self,
        *args: Any,
        per_class: int | None = None,
        seed: int = 0,
        labeled: bool = True,
        **kwargs: Any,
    ) -> None:
        self.per_class, self.seed, self.labeled = per_class, seed, labeled
        super().__init__(*args, **kwargs)

    def filter_data(self) -> list[dict]:
        """The images that were drawn, or the others."""
        records = super().filter_data()
        if self.per_class is None:
            return records

        labels = np.array([record['gt_label'] for record in records], np.int64)
        try:
            drawn = set(draw_labels(labels, self.per_class, self.seed).tolist())
        except ValueError as error:
            raise ValueError(f'{type(self).__name__}: {error}') from None
        return [record for i, record in enumerate(records) if (i in drawn) == self.labeled]
