"""Images in an LMDB, with or without a list of them."""

import contextlib
from collections.abc import Sequence
from typing import Any

from mmengine.fileio import get_file_backend
from mmpretrain.datasets import BaseDataset

from mmsemiloc.datasets.image_folders import check_label_range, say_left_out
from mmsemiloc.datasets.listing.endings import EXTENSIONS, count_endings, is_image
from mmsemiloc.datasets.listing.foreign import foreign_part
from mmsemiloc.datasets.listing.list_files import parse_list
from mmsemiloc.datasets.listing.trees import LeftOut
from mmsemiloc.registry import DATASETS


def list_keys(db_path: str) -> list[str]:
    """All keys of an LMDB, in its order.

    Raises:
        ValueError: If it cannot be read, has no key, or a key that MMEngine's LMDB backend cannot
            ask for.
    """
    backend = get_file_backend(
        backend_args=dict(backend='lmdb', db_path=db_path), enable_singleton=True
    )
    import lmdb  # an optional dependency, which MMEngine's backend asks for

    # A process can open an LMDB once, and the pipeline of an earlier dataset may have done so. But
    # workers must not inherit an open one, so it is closed again if not.
    opened = backend._client
    try:
        with contextlib.ExitStack() as stack:
            env = opened or stack.enter_context(lmdb.open(db_path, readonly=True, lock=False))
            with env.begin() as transaction:
                keys = list(transaction.cursor().iternext(values=False))
    except lmdb.Error as error:
        raise ValueError(f'cannot read LMDB {db_path}: {error}') from error
    bad = next((key for key in keys if not key.isascii()), None)
    if bad is not None:
        raise ValueError(
            f"LMDB {db_path}: key {bad!r} is not ASCII, which MMEngine's LMDB backend needs"
        )
    if not keys:
        raise ValueError(f'LMDB {db_path} has no images')
    return [key.decode() for key in keys]


def image_keys(keys: Sequence[str], endings: Sequence[str], db_path: str) -> list[str]:
    """The keys of images; the others are counted in one line.

    Raises:
        ValueError: If no key is one of an image.
    """
    left_out = LeftOut()
    images = []

    for key in keys:
        foreign = foreign_part(key)
        if foreign is not None:
            left_out.foreign[foreign] += 1
        elif is_image(key, tuple(endings)):
            images.append(key)
        else:
            left_out.endings.update(count_endings([key], tuple(endings)))

    if not images:
        raise ValueError(
            f'LMDB {db_path}: none of {len(keys)} keys ends as an image does, for '
            f"example {keys[0]!r}: extensions=('',) takes all keys"
        )
    say_left_out(left_out, f'LMDB {db_path}')
    return images


@DATASETS.register_module()
class LmdbDataset(BaseDataset):
    """Images that are values of an LMDB: all of them, without labels, or those that a list names.

    The pipeline reads them through MMEngine's backend: ``dict(type='LoadImageFromFile',
    backend_args=dict(backend='lmdb', db_path=...))``.

    Args:
        db_path: The LMDB. Its keys are ASCII; its values are encoded images.
        ann_file: List file with lines ``key label``, or ``key`` without labels; '' for all keys of
            images, without labels.
        with_label: Whether the list has labels.
        extensions: What keys of images end with; ``('', )`` for all keys.
        **kwargs: For mmpretrain's ``BaseDataset`` (``pipeline``, ``metainfo`` ...).

    Raises:
        ValueError: If the LMDB or the list cannot be read (with the line), or labels are wanted
            without a list, or no class has a label.
        ImportError: If the package ``lmdb`` is not installed.
    """

    def __init__(
        self,
        db_path: str,
        ann_file: str = '',
        with_label: bool = False,
        extensions: Sequence[str] = EXTENSIONS,
        **kwargs: Any,
    ) -> None:
        if with_label and not ann_file:
            raise ValueError(
                f'LmdbDataset(with_label=True) needs an ann_file: {db_path} itself has no labels'
            )
        self.db_path, self.with_label = db_path, with_label
        self.extensions = tuple(ending.lower() for ending in extensions)
        super().__init__(ann_file=ann_file, **kwargs)

    def load_data_list(self) -> list[dict]:
        """The keys, with their labels."""
        if not self.ann_file:
            keys = image_keys(list_keys(self.db_path), self.extensions, self.db_path)
            return [dict(img_path=key) for key in keys]

        lines = parse_list(self.ann_file, self.with_label, self.extensions)
        if not self.with_label:
            return [dict(img_path=key) for key in lines]
        if self.CLASSES is not None:
            check_label_range(self.ann_file, lines, self.CLASSES)
        return [dict(img_path=key, gt_label=label) for key, label in lines.items()]
