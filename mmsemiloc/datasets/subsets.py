"""Some images of a dataset that stand for all: the classes evenly, the same for the same seed."""

import numpy as np
from mmengine.dataset import BaseDataset
from torch.utils.data import DataLoader

from mmsemiloc.datasets.contents import labels_of
from mmsemiloc.datasets.splits import class_sequence


def draw_subset(
    labels: np.ndarray | None, size: int, num_images: int | None, seed: int = 0
) -> np.ndarray:
    """Indices (N,) of images, in ascending order.

    With labels the classes take turns, so that their counts differ by 1 at most as long as a class
    has images left; a smaller subset of the same seed is in the larger one.

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


def subset_of(dataset: BaseDataset, num_images: int | None, seed: int = 0) -> np.ndarray:
    """:func:`draw_subset` of a dataset; without single labels from all of its images alike."""
    if num_images is None or num_images >= len(dataset):
        return np.arange(len(dataset))
    try:
        labels = labels_of(dataset)
    except ValueError:  # several labels per image
        labels = None
    return draw_subset(labels, len(dataset), num_images, seed)


def subset_loader(loader: DataLoader, indices: np.ndarray) -> DataLoader:
    """A dataloader as the given one, of some images in order; its ``sampler`` is their list."""
    return DataLoader(
        loader.dataset,
        batch_size=getattr(loader.batch_sampler, 'batch_size', loader.batch_size),
        sampler=indices.tolist(),
        num_workers=loader.num_workers,
        collate_fn=loader.collate_fn,
        pin_memory=loader.pin_memory,
        worker_init_fn=loader.worker_init_fn,
        persistent_workers=loader.persistent_workers,
    )
