"""The labelled or unlabelled source of a batch: one dataset or several, from their configs."""

import logging
from collections.abc import Sequence
from pathlib import Path

from mmengine.dataset import BaseDataset, ClassBalancedDataset, ConcatDataset, RepeatDataset
from mmengine.logging import print_log
from mmpretrain.datasets import KFoldDataset

from mmsemiloc.datasets.contents import class_names, leaves
from mmsemiloc.datasets.listing.class_names import check_same_classes
from mmsemiloc.datasets.listing.list_files import parse_list
from mmsemiloc.registry import DATASETS


def unwrapped(dataset: object) -> list[BaseDataset]:
    """The datasets with the images of one that wraps others.

    Raises:
        ValueError: If it is not a dataset of MMEngine or MMPretrain.
    """
    if isinstance(dataset, RepeatDataset):
        print_log(
            'RepeatDataset has no effect here: SemiSupSampler passes through the images again and '
            'again',
            logger='current',
            level=logging.INFO,
        )
        return unwrapped(dataset.dataset)

    if isinstance(dataset, ClassBalancedDataset):
        inner = dataset.dataset.get_subset(dataset.repeat_indices)
        inner.repeats_images = True  # on purpose, so they are not images that are listed twice
        return [inner]

    if isinstance(dataset, KFoldDataset):
        return unwrapped(dataset.dataset)  # the fold

    if not isinstance(dataset, BaseDataset | ConcatDataset):
        raise ValueError(
            'SemiSupDataset takes datasets of MMEngine and MMPretrain, got '
            f'{type(dataset).__name__}'
        )
    return leaves(dataset)


def build_parts(part: dict | BaseDataset | Sequence, labeled: bool) -> list[BaseDataset]:
    """The datasets of a source: one from its config, or several.

    Raises:
        ValueError: If it has no images, or with the line of its list file that is wrong.
    """
    if isinstance(part, list | tuple):
        return [leaf for one in part for leaf in build_parts(one, labeled)]
    if not isinstance(part, dict):
        return unwrapped(part)

    try:
        dataset = DATASETS.build(part)
        if hasattr(dataset, 'full_init'):
            dataset.full_init()
        if not len(dataset):
            raise ValueError(f'no images in {part}')
        return unwrapped(dataset)
    except (ValueError, OSError):
        list_file = Path(part.get('data_root', ''), part.get('ann_file', ''))
        if list_file.suffix == '.txt' and str(part.get('type')).startswith('mmpretrain.'):
            parse_list(list_file, labeled)  # names the line, unlike MMPretrain
        raise


def check_parts(parts: Sequence[BaseDataset]) -> None:
    """Refuse labelled datasets side by side whose classes differ.

    Raises:
        ValueError: With the classes.
    """
    names = [class_names(part) for part in parts]
    for number, others in enumerate(names[1:], 1):
        if names[0] or others:
            check_same_classes(
                others, names[0], f'labelled data set {number}', 'labelled data set 0'
            )


def metainfo_keys(parts: list[BaseDataset]) -> list[str]:
    """All keys of the datasets' metainfo: ``ConcatDataset`` should not compare any of them."""
    return sorted({key for part in parts for key in part.metainfo})
