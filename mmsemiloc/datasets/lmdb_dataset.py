"""Images in an LMDB, with or without a list of them."""
import contextlib
from pathlib import Path

from mmengine.fileio import get_file_backend
from mmpretrain.datasets import BaseDataset

from mmsemiloc.datasets.image_listing import parse_list
from mmsemiloc.registry import DATASETS


def list_keys(db_path: str) -> list[str]:
    """All keys of an LMDB, in its order.

    Raises:
        ValueError: If it cannot be read, has no key, or a key that MMEngine's LMDB backend cannot ask for.
    """
    backend = get_file_backend(backend_args=dict(backend='lmdb', db_path=db_path), enable_singleton=True)
    import lmdb  # an optional dependency, which MMEngine's backend asks for
    # A process can open an LMDB once, and the pipeline of an earlier dataset may have done so. But workers must not inherit an
    # open one, so it is closed again if not.
    opened = backend._client
    try:
        with contextlib.nullcontext(opened) if opened else lmdb.open(db_path, readonly=True, lock=False) as env:
            with env.begin() as transaction:
                keys = list(transaction.cursor().iternext(values=False))
    except lmdb.Error as error:
        raise ValueError(f'cannot read LMDB {db_path}: {error}') from error
    bad = next((key for key in keys if not key.isascii()), None)
    if bad is not None:
        raise ValueError(f"LMDB {db_path}: key {bad!r} is not ASCII, which MMEngine's LMDB backend needs")
    if not keys:
        raise ValueError(f'LMDB {db_path} has no images')
    return [key.decode() for key in keys]


@DATASETS.register_module()
class LmdbDataset(BaseDataset):
    """Images that are values of an LMDB: all of them without labels, or those that a list file names.

    The pipeline reads them through MMEngine's backend: ``dict(type='LoadImageFromFile', backend_args=dict(backend='lmdb',
    db_path=...))``.

    Args:
        db_path: The LMDB. Its keys are ASCII; its values are encoded images.
        ann_file: List file with lines ``key label``, or ``key`` without labels; '' for all keys, without labels.
        with_label: Whether the list has labels.
        **kwargs: For mmpretrain's ``BaseDataset`` (``pipeline``, ``metainfo`` ...).

    Raises:
        ValueError: If the LMDB or the list cannot be read (with the line), or labels are wanted without a list.
        ImportError: If the package ``lmdb`` is not installed.
    """

    def __init__(self, db_path: str, ann_file: str = '', with_label: bool = False, **kwargs) -> None:
        if with_label and not ann_file:
            raise ValueError(f'LmdbDataset(with_label=True) needs an ann_file: {db_path} itself has no labels')
        self.db_path, self.with_label = db_path, with_label
        super().__init__(ann_file=ann_file, **kwargs)

    def load_data_list(self) -> list[dict]:
        """The keys, with their labels."""
        if not self.ann_file:
            return [dict(img_path=key) for key in list_keys(self.db_path)]
        lines = parse_list(Path(self.ann_file), self.with_label)
        return [dict(img_path=key, gt_label=label) if self.with_label else dict(img_path=key) for key, label in lines.items()]
