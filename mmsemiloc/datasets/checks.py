"""What can be wrong with the images of a run as a whole: found before training, from the lists
alone.
"""

import logging
import os
from collections.abc import Iterator

import numpy as np
from mmengine.dataset import BaseDataset, ConcatDataset
from mmengine.logging import print_log

from mmsemiloc.datasets.classes import (
    check_class_names,
    check_number_of_classes,
    check_same_classes,
    listed,
)


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


def image_paths(dataset: BaseDataset, kind: str) -> Iterator[tuple[int, str]]:
    """Index and normalised path of each image that has one; symbolic links are not followed.

    Raises:
        ValueError: If a path leaves the ``data_root`` (or without one, the image folder) of its
            dataset.
    """
    index = 0
    for leaf in leaves(dataset):
        prefix = getattr(leaf, 'data_prefix', None) or {}
        root = os.path.abspath(getattr(leaf, 'data_root', '') or prefix.get('img_path') or os.sep)
        base = os.path.abspath(
            getattr(leaf, 'db_path', '')
        )  # the working folder, or an LMDB: its keys are relative to it
        for place in range(len(leaf)):
            path = leaf.get_data_info(place).get('img_path')
            if path is not None:
                normal = os.path.normpath(os.path.join(base, path))
                if not normal.startswith(root.rstrip(os.sep) + os.sep):
                    raise ValueError(f'{describe(dataset, index, kind)} is outside of {root}')
                yield index, normal
            index += 1


def check_overlap(
    labeled: BaseDataset,
    unlabeled: BaseDataset | None = None,
    validation: BaseDataset | None = None,
    allow_overlap: bool = False,
) -> None:
    """Refuse a file that is labelled twice, both labelled and unlabelled, or labelled and for
    validation.

    Unlabelled images in the validation set are counted in a warning: their labels are not used, but
    the result is that of a model that has seen them. The paths of datasets that have none (images
    in memory) are not compared.

    Args:
        labeled: The labelled images.
        unlabeled: The unlabelled ones.
        validation: Those for validation.
        allow_overlap: Whether an unlabelled image may be a labelled one too.

    Raises:
        ValueError: With the index and path of the first such image.
    """
    held_out = (
        {path: index for index, path in image_paths(validation, 'validation')}
        if validation is not None
        else {}
    )
    known: dict[str, int] = {}
    repeats = any(getattr(leaf, 'repeats_images', False) for leaf in leaves(labeled))
    for index, path in image_paths(labeled, 'labelled'):
        if path in known and not repeats:
            raise ValueError(
                f'{describe(labeled, index, "labelled")} is labelled image {known[path]} too'
            )
        if path in held_out:
            raise ValueError(
                f'{describe(labeled, index, "labelled")} is validation image {held_out[path]} too: '
                'accuracy on it would say nothing about new images'
            )
        known[path] = index
    if unlabeled is None:
        return
    seen = 0
    for index, path in image_paths(unlabeled, 'unlabelled'):
        if path in known and not allow_overlap:
            raise ValueError(
                f'{describe(unlabeled, index, "unlabelled")} is labelled image {known[path]} too: '
                'leave it out, or set SemiSupDataset(allow_overlap=True)'
            )
        seen += path in held_out
    if seen:
        print_log(
            f'{seen} of {len(unlabeled)} unlabelled images are in the validation set too; its '
            'accuracy is that of images which the model has seen, without their labels',
            logger='current',
            level=logging.WARNING,
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


def check_labels(
    dataset: BaseDataset, labels: np.ndarray, num_classes: int, kind: str = 'labelled'
) -> None:
    """Refuse labels out of range, which on a GPU would be a device-side assert in mid-training.

    Args:
        dataset: The images.
        labels: Class of each of them (S,).
        num_classes: C.
        kind: What the images are, for the message.

    Raises:
        ValueError: If a label is not 0 to C - 1, with the first such image.
    """
    bad = np.flatnonzero((labels < 0) | (labels >= num_classes))
    if len(bad):
        from_one = (
            '; do the labels count from 1 instead of 0?'
            if labels.min() == 1 and labels.max() == num_classes
            else ''
        )
        raise ValueError(
            f'{describe(dataset, int(bad[0]), kind)} has label {labels[bad[0]]}, but the model has '
            f'{num_classes} classes, 0 to {num_classes - 1} ({len(bad)} such images){from_one}'
        )


def warn_of_empty_classes(
    labels: np.ndarray, num_classes: int, names: tuple[str, ...], kind: str
) -> None:
    """Name the classes of which there is no image, in a warning."""
    empty = np.flatnonzero(np.bincount(labels, minlength=num_classes) == 0)
    if len(empty):
        shown = ', '.join(f'{i} ({names[i]})' if i < len(names) else str(i) for i in empty[:10])
        cannot = 'cannot be learned' if kind == 'labelled' else 'are not measured'
        print_log(
            f'no {kind} image of class {shown}{" ..." if len(empty) > 10 else ""}: {len(empty)} of '
            f'{num_classes} classes {cannot}',
            logger='current',
            level=logging.WARNING,
        )


def check_classes(
    dataset: BaseDataset,
    num_classes: int,
    kind: str,
    names: tuple[str, ...] | None = None,
    whose: str = 'the labelled images',
) -> None:
    """Refuse a dataset whose classes are not those of the model, by their names and by their
    numbers.

    Args:
        dataset: Images with labels.
        num_classes: C of the model.
        kind: What the images are, for messages: 'labelled', 'validation', 'test'.
        names: The names that the numbers have elsewhere; None if nothing else is known.
        whose: Where they have them.

    Raises:
        ValueError: With the classes or the first image that is wrong.
    """
    own, labels = class_names(dataset), labels_of(dataset)
    if labels is None and has_no_label(dataset):
        raise ValueError(
            f'the {kind} images have no labels: give their data set with_label=True, folders of '
            'classes, or a list with lines path label'
        )
    if own:
        published = tuple(getattr(type(leaves(dataset)[0]), 'METAINFO', {}).get('classes') or ())
        if own != published:  # ImageNet's published names have 'crane' twice
            check_class_names(own, f'{kind} images')
        check_number_of_classes(own, num_classes, f'the data set of {kind} images')
    if names is not None and bool(names) != bool(own):
        lacking, having = (f'the {kind} images', whose) if names else (whose, f'the {kind} images')
        raise ValueError(
            f'{lacking} have no names of classes to compare with those of {having} '
            f'({listed(names or own)}): give their data set classes=...'
        )
    if names and own:
        check_same_classes(own, names, f'the {kind} images', whose)
    if labels is not None and len(labels):
        check_labels(dataset, labels, num_classes, kind)
        warn_of_empty_classes(labels, num_classes, own, kind)


def check_against_checkpoint(dataset: BaseDataset, num_classes: int, meta: dict, kind: str) -> None:
    """Refuse images whose classes are not those that the weights of a checkpoint were trained for.

    Args:
        dataset: The images.
        num_classes: C of the model.
        meta: ``meta`` of the checkpoint; nothing is known of the names if it has no
            ``dataset_meta``.
        kind: What the images are, for messages.

    Raises:
        ValueError: With the classes or the first image that is wrong.
    """
    names = checkpoint_classes(meta, num_classes)
    check_classes(dataset, num_classes, kind, names or None, 'the checkpoint')


def checkpoint_classes(meta: dict, num_classes: int | None = None) -> tuple[str, ...]:
    """Names of the classes that a checkpoint was trained for; () if it does not say.

    Raises:
        ValueError: If they are not as many as the model has classes.
    """
    names = tuple((meta.get('dataset_meta') or {}).get('classes') or ())
    if names and num_classes is not None:
        check_number_of_classes(names, num_classes, 'the checkpoint')
    return names
