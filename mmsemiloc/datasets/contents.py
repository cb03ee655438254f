"""What a dataset holds: its parts, classes and labels, without loading an image."""

import numpy as np
from mmengine.dataset import BaseDataset, ConcatDataset


def leaves(dataset: BaseDataset) -> list[BaseDataset]:
    """The datasets that a concatenation, or another wrapper, is made of."""
    if isinstance(dataset, ConcatDataset):
        return [leaf for part in dataset.datasets for leaf in leaves(part)]
    return leaves(dataset.dataset) if hasattr(dataset, 'dataset') else [dataset]


def describe(dataset: BaseDataset, place: int, kind: str) -> str:
    """An image in words: its source, index and path."""
    return (
        f'{kind} image {place} of {len(dataset)} '
        f'({dataset.get_data_info(place).get("img_path", "no path")})'
    )


def class_names(dataset: BaseDataset) -> tuple[str, ...]:
    """Names of the classes of a dataset, in the order of their numbers; () if it has none."""
    return tuple(getattr(dataset, 'metainfo', {}).get('classes') or ())


def labels_of(dataset: BaseDataset) -> np.ndarray | None:
    """Class of each image (N,); None if the dataset cannot list them, or has soft labels.

    Raises:
        ValueError: With the image, if it has several labels, or one that is not a whole number.
    """
    try:
        labels = [dataset.get_data_info(i)['gt_label'] for i in range(len(dataset))]
    except (AttributeError, KeyError):
        return None

    for place, label in enumerate(labels):
        if np.size(label) != 1 or np.asarray(label).dtype.kind not in 'iu':
            raise ValueError(
                f'{describe(dataset, place, "labelled")} has the label {label!r}, but one class '
                'per image is needed, a whole number: data sets with several labels per image are '
                'not supported'
            )
    return np.array(labels, np.int64).reshape(len(labels))


def has_no_label(dataset: BaseDataset) -> bool:
    """Whether the first image of a dataset has neither a class nor soft labels.

    False where nothing is known of it.
    """
    try:
        info = dataset.get_data_info(0)
    except AttributeError:
        return False
    return isinstance(info, dict) and not {'gt_label', 'gt_score'} & set(info)
