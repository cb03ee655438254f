"""No image twice: labelled twice, both labelled and unlabelled, or also for validation."""

import logging
import os
from collections.abc import Iterator, Mapping

from mmengine.dataset import BaseDataset
from mmengine.logging import print_log

from mmsemiloc.datasets.contents import describe, leaves


def image_paths(dataset: BaseDataset, kind: str) -> Iterator[tuple[int, str]]:
    """Index and normalised path of each image that has one; symbolic links are not followed.

    Raises:
        ValueError: If a path leaves the ``data_root`` (or without one, the image folder) of its
            dataset, unless that has ``allow_links``.
    """
    index = 0
    for leaf in leaves(dataset):
        prefix = getattr(leaf, 'data_prefix', None) or {}
        root = os.path.abspath(getattr(leaf, 'data_root', '') or prefix.get('img_path') or os.sep)
        # The working folder, or an LMDB: its keys are relative to it.
        base = os.path.abspath(getattr(leaf, 'db_path', ''))
        root = os.sep if getattr(leaf, 'allow_links', False) else root

        for place in range(len(leaf)):
            path = leaf.get_data_info(place).get('img_path')
            if path is not None:
                normal = os.path.normpath(os.path.join(base, path))
                if not normal.startswith(root.rstrip(os.sep) + os.sep):
                    raise ValueError(f'{describe(dataset, index, kind)} is outside of {root}')
                yield index, normal
            index += 1


def check_labeled_once(labeled: BaseDataset, held_out: Mapping[str, int]) -> dict[str, int]:
    """Refuse a file that is labelled twice, or labelled and also for validation.

    Args:
        labeled: The labelled images.
        held_out: Index by path of the images for validation.

    Returns:
        Index by path of the labelled images.

    Raises:
        ValueError: With the index and path of the first such image.
    """
    known: dict[str, int] = {}
    # A dataset that shows an image several times on purpose is not labelled twice.
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

    return known


def check_overlap(
    labeled: BaseDataset | None,
    unlabeled: BaseDataset | None = None,
    validation: BaseDataset | None = None,
    allow_overlap: bool = False,
) -> None:
    """Refuse a file that is labelled twice, or labelled and also unlabelled or for validation.

    Unlabelled images in the validation set are counted in a warning: their labels are not used, but
    the result is that of a model that has seen them. The paths of datasets that have none (images
    in memory) are not compared.

    Args:
        labeled: The labelled images; None if there are none.
        unlabeled: The unlabelled ones.
        validation: Those for validation.
        allow_overlap: Whether an unlabelled image may be a labelled one too.

    Raises:
        ValueError: With the index and path of the first such image.
    """
    held_out: dict[str, int] = {}
    if validation is not None:
        held_out = {path: index for index, path in image_paths(validation, 'validation')}
    known = {} if labeled is None else check_labeled_once(labeled, held_out)
    if unlabeled is None:
        return

    # Unlabelled images for validation are legal (a transductive setting), but worth a warning.
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
