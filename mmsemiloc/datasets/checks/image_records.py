"""Paths and labels of the images of any dataset, without loading one."""

import os
import pickle
from collections.abc import Iterator
from dataclasses import dataclass

from mmengine.dataset import BaseDataset


def records(leaf: BaseDataset) -> Iterator[dict]:
    """What the dataset knows of each image, in order; quicker than ``get_data_info``."""
    if getattr(leaf, 'serialize_data', False) and hasattr(leaf, 'data_address'):
        content, start = memoryview(leaf.data_bytes), 0
        for end in leaf.data_address.tolist():
            yield pickle.loads(content[start:end])
            start = end
    elif hasattr(leaf, 'get_data_info'):
        yield from (leaf.get_data_info(place) for place in range(len(leaf)))


@dataclass(frozen=True)
class Source:
    """Where the images of a dataset come from.

    Attributes:
        prefix: Folder that the paths of its list are relative to; '' if there is none.
        list_file: Its list; '' if there is none.
        labeled: Whether the list has labels.
    """

    prefix: str
    list_file: str
    labeled: bool


def source_of(leaf: BaseDataset) -> Source:
    """The source of a dataset's images."""
    prefix = getattr(leaf, 'data_prefix', None) or {}
    return Source(
        prefix.get('img_path') or '',
        getattr(leaf, 'ann_file', '') or '',
        getattr(leaf, 'with_label', True),
    )


def relative_path(path: str, prefix: str) -> str:
    """A path without the folder that it begins with."""
    start = prefix.rstrip('/') + '/'
    return path[len(start) :] if prefix and path.startswith(start) else path.lstrip(os.sep)


def reads_local_files(leaf: BaseDataset) -> bool:
    """Whether the dataset's images are files of this machine, as far as its pipeline says."""
    if getattr(leaf, 'db_path', ''):
        return False
    for transform in getattr(getattr(leaf, 'pipeline', None), 'transforms', []):
        backend = (getattr(transform, 'backend_args', None) or {}).get('backend', 'local')
        if backend not in ('local', 'disk'):
            return False
    return True
