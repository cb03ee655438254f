"""Some images of a dataset that stand for all: the classes evenly, the same for the same seed."""
import numpy as np
from mmengine.dataset import BaseDataset

from mmsemiloc.datasets.checks import leaves
from mmsemiloc.datasets.splits import class_sequence


def draw_subset(labels: np.ndarray | None, size: int, num_images: int | None, seed: int = 0) -> np.ndarray:
    """Indices (N,) of images, in ascending order.

    With labels the classes take turns, so that their counts differ by 1 at most as long as a class has images left; a smaller
    subset of the same seed is in the larger one.

    Args:
        labels: Class of each image, integers (size,); None if they are unknown.
        size: Images of the dataset.
        num_images: N; None, or more than there are, for all.
        seed: Of the order, at least 0.
    """
    if num_images is None or num_images >= size:
        return np.arange(size)
    rng = np.random.default_rng(seed)
    if labels is None:
        order = rng.permutation(size)
    else:
        _, classes = np.unique(labels, return_inverse=True)  # from 0 on, without gaps
        order = class_sequence(classes, rng)
    return np.sort(order[:num_images])


def known_labels(dataset: BaseDataset) -> np.ndarray | None:
    """Class of each image; None if a part of the dataset cannot tell, or images have several classes."""
    try:
        parts = [np.asarray(leaf.get_gt_labels()) for leaf in leaves(dataset)]
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
    labels = np.concatenate(parts)
    return labels if labels.ndim == 1 and labels.dtype.kind in 'iu' and len(labels) == len(dataset) else None


def subset_of(dataset: BaseDataset, num_images: int | None, seed: int = 0) -> np.ndarray:
    """:func:`draw_subset` of a dataset."""
    return draw_subset(known_labels(dataset), len(dataset), num_images, seed)
