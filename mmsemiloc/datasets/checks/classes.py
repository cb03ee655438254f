"""Whether the classes and labels of images are those of the model and of the checkpoint."""

import logging

import numpy as np
from mmengine.dataset import BaseDataset
from mmengine.logging import print_log

from mmsemiloc.datasets.contents import class_names, describe, has_no_label, labels_of, leaves
from mmsemiloc.datasets.listing.class_names import (
    check_class_names,
    check_number_of_classes,
    check_same_classes,
    listed,
)


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
    """Refuse a dataset whose classes are not those of the model, by names and by numbers.

    Args:
        dataset: Images with labels.
        num_classes: C of the model.
        kind: What the images are, for messages: 'labelled', 'validation', 'test'.
        names: The names that the numbers have elsewhere; None if nothing else is known.
        whose: Where they have them.

    Raises:
        ValueError: With the classes or the first image that is wrong.
    """
    # There are labels.
    own, labels = class_names(dataset), labels_of(dataset)
    if labels is None and has_no_label(dataset):
        raise ValueError(
            f'the {kind} images have no labels: give their data set with_label=True, folders of '
            'classes, or a list with lines path label'
        )

    # The dataset's names are sound, and as many as the model has classes.
    if own:
        published = tuple(getattr(type(leaves(dataset)[0]), 'METAINFO', {}).get('classes') or ())
        if own != published:  # ImageNet's published names have 'crane' twice
            check_class_names(own, f'{kind} images')
        check_number_of_classes(own, num_classes, f'the data set of {kind} images')

    # They are the names elsewhere, too.
    if names is not None and bool(names) != bool(own):
        lacking, having = (f'the {kind} images', whose) if names else (whose, f'the {kind} images')
        raise ValueError(
            f'{lacking} have no names of classes to compare with those of {having} '
            f'({listed(names or own)}): give their data set classes=...'
        )
    if names and own:
        check_same_classes(own, names, f'the {kind} images', whose)

    # The labels are numbers of classes.
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
