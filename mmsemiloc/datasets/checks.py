"""What can be wrong with the images of a run as a whole: found before training, from the lists alone."""
import logging
import os
from collections.abc import Iterator

import numpy as np
from mmengine.dataset import BaseDataset, ConcatDataset
from mmengine.logging import print_log


def leaves(dataset: BaseDataset) -> list[BaseDataset]:
    """The datasets that a concatenation is made of."""
    return [leaf for part in dataset.datasets for leaf in leaves(part)] if isinstance(dataset, ConcatDataset) else [dataset]


def describe(dataset: BaseDataset, place: int, kind: str) -> str:
    """An image in words: its source, index and path."""
    return f'{kind} image {place} of {len(dataset)} ({dataset.get_data_info(place).get("img_path", "no path")})'


def image_paths(dataset: BaseDataset, kind: str) -> Iterator[tuple[int, str]]:
    """Index and normalised path of each image that has one; symbolic links are not followed.

    Raises:
        ValueError: If a path leaves the ``data_root`` (or without one, the image folder) of its dataset.
    """
    index = 0
    for leaf in leaves(dataset):
        prefix = getattr(leaf, 'data_prefix', None) or {}
        root = os.path.abspath(getattr(leaf, 'data_root', '') or prefix.get('img_path') or os.sep)
        base = os.path.abspath(getattr(leaf, 'db_path', ''))  # the working folder, or an LMDB: its keys are relative to it
        for place in range(len(leaf)):
            path = leaf.get_data_info(place).get('img_path')
            if path is not None:
                normal = os.path.normpath(os.path.join(base, path))
                if not normal.startswith(root.rstrip(os.sep) + os.sep):
                    raise ValueError(f'{describe(dataset, index, kind)} is outside of {root}')
                yield index, normal
            index += 1


def check_overlap(labeled: BaseDataset, unlabeled: BaseDataset | None = None, validation: BaseDataset | None = None,
                  allow_overlap: bool = False) -> None:
    """Refuse a file that is labelled twice, both labelled and unlabelled, or labelled and for validation.

    Unlabelled images in the validation set are counted in a warning: their labels are not used, but the result is that of a
    model that has seen them. The paths of datasets that have none (images in memory) are not compared.

    Args:
        labeled: The labelled images.
        unlabeled: The unlabelled ones.
        validation: Those for validation.
        allow_overlap: Whether an unlabelled image may be a labelled one too.

    Raises:
        ValueError: With the index and path of the first such image.
    """
    held_out = {path: index for index, path in image_paths(validation, 'validation')} if validation is not None else {}
    known: dict[str, int] = {}
    for index, path in image_paths(labeled, 'labelled'):
        if path in known:
            raise ValueError(f'{describe(labeled, index, "labelled")} is labelled image {known[path]} too')
        if path in held_out:
            raise ValueError(f'{describe(labeled, index, "labelled")} is validation image {held_out[path]} too: accuracy on it '
                             'would say nothing about new images')
        known[path] = index
    if unlabeled is None:
        return
    seen = 0
    for index, path in image_paths(unlabeled, 'unlabelled'):
        if path in known and not allow_overlap:
            raise ValueError(f'{describe(unlabeled, index, "unlabelled")} is labelled image {known[path]} too: leave it out, '
                             'or set SemiSupDataset(allow_overlap=True)')
        seen += path in held_out
    if seen:
        print_log(f'{seen} of {len(unlabeled)} unlabelled images are in the validation set too; its accuracy is that of images '
                  'which the model has seen, without their labels', logger='current', level=logging.WARNING)


def check_labels(labeled: BaseDataset, labels: np.ndarray, num_classes: int, classes: tuple = ()) -> None:
    """Refuse labels out of range, which on a GPU would be a device-side assert in mid-training; name classes without images.

    Args:
        labeled: The labelled images.
        labels: Class of each of them (S,).
        num_classes: C.
        classes: Names of the classes, for the warning.

    Raises:
        ValueError: If a label is not 0 to C - 1, with the first such image.
    """
    bad = np.flatnonzero((labels < 0) | (labels >= num_classes))
    if len(bad):
        raise ValueError(f'{describe(labeled, int(bad[0]), "labelled")} has label {labels[bad[0]]}, but the model has '
                         f'{num_classes} classes, 0 to {num_classes - 1} ({len(bad)} such images)')
    empty = np.flatnonzero(np.bincount(labels, minlength=num_classes) == 0)
    if len(empty):
        names = ', '.join(f'{i} ({classes[i]})' if i < len(classes) else str(i) for i in empty[:10])
        print_log(f'no labelled image of class {names}{" ..." if len(empty) > 10 else ""}: {len(empty)} of {num_classes} '
                  'classes cannot be learned', logger='current', level=logging.WARNING)
