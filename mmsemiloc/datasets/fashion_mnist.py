"""Fashion-MNIST, from the files of Debian's package or from MMPretrain's download."""

import gzip
import zlib
from pathlib import Path
from typing import Any

import mmpretrain.datasets
import numpy as np
from mmengine.dist import barrier, is_main_process

from mmsemiloc.datasets.few_labels import FewLabelsMixin
from mmsemiloc.registry import DATASETS

DEBIAN = '/usr/share/datasets/fashion-mnist'
SPLITS = ('train', 'val', 'test')
VAL_PER_CLASS = 500


def read_idx(file: Path, dims: int) -> np.ndarray:
    """The numbers in an idx file, which may be compressed by gzip.

    The format (http://yann.lecun.com/exdb/mnist/): two zeros, 8 for bytes, the number of
    dimensions, the dimensions as big-endian 32-bit numbers, then the bytes.

    Args:
        file: The file.
        dims: How many dimensions it has.

    Raises:
        ValueError: If it is not such a file, or is cut off.
    """
    content = file.read_bytes()
    if file.suffix == '.gz':
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise ValueError(f'cannot unpack {file}: {error}') from error

    start = 4 + 4 * dims
    if len(content) < start or content[:4] != bytes([0, 0, 8, dims]):
        raise ValueError(f'{file} is not an idx file of bytes with {dims} dimensions')
    shape = np.frombuffer(content, '>u4', dims, offset=4).astype(np.int64)
    if len(content) != start + shape.prod():
        raise ValueError(
            f'{file} should have {start + shape.prod()} bytes (shape {tuple(shape.tolist())}), '
            f'but has {len(content)}: it is cut off or damaged'
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def find_idx(folder: Path, name: str) -> Path | None:
    """The file ``name`` (which ends with .gz) in a folder, unpacked or not; None without one."""
    files = (folder / name.removesuffix('.gz'), folder / name)
    return next((file for file in files if file.is_file()), None)


def last_of_class(labels: np.ndarray, count: int) -> np.ndarray:
    """Whether each image (N,) is one of the last ``count`` of its class."""
    chosen = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        chosen[np.flatnonzero(labels == label)[-count:]] = True
    return chosen


@DATASETS.register_module()
class FashionMNIST(FewLabelsMixin, mmpretrain.datasets.FashionMNIST):
    """MMPretrain's ``FashionMNIST``, with compressed files, a validation split and few labels.

    The four files are read as they are, compressed or not, so a folder without the right to write
    is enough. The last 500 images of each class in the training file are the validation images:
    55,000 train, 5,000 val, 10,000 test. Images are grey (28, 28); ``mmsemiloc.GrayToBGR`` in the
    pipeline makes three channels of them.

    Args:
        data_root: Folder of the four files; by default that of Debian's package
            ``dataset-fashion-mnist``.
        split: 'train', 'val' or 'test'.
        download: Whether MMPretrain downloads files that are not there.
        **kwargs: ``per_class``, ``seed`` and ``labeled`` of :class:`FewLabelsMixin`, and those of
            mmpretrain's ``BaseDataset`` (``pipeline``, ``indices`` ...).

    Raises:
        ValueError: If the split is unknown, or a file is missing or damaged.
    """

    def __init__(
        self, data_root: str = DEBIAN, split: str = 'train', download: bool = False, **kwargs: Any
    ) -> None:
        if split not in SPLITS:
            raise ValueError(f'split must be one of {SPLITS}, got {split!r}')
        self.part = split  # MMPretrain's class knows no 'val'
        stock = 'test' if split == 'test' else 'train'
        super().__init__(data_root=data_root, split=stock, download=download, **kwargs)

    def load_data_list(self) -> list[dict]:
        """Image and class of each image of the split."""
        names = [name for name, _ in (self.test_list if self.part == 'test' else self.train_list)]
        folder = Path(self.data_prefix['root']).expanduser()

        # Every process of a run waits for the one that downloads.
        if self.download:
            if is_main_process() and not all(find_idx(folder, name) for name in names):
                self._download()
            barrier()

        images, labels = (
            read_idx(self._file(folder, name), dims)
            for name, dims in zip(names, (3, 1), strict=True)
        )
        self._check(images, labels, folder)
        chosen = np.ones(len(labels), bool)
        if self.part != 'test':
            chosen = last_of_class(labels, VAL_PER_CLASS) == (self.part == 'val')
        return [
            dict(img=images[place], img_shape=images.shape[1:], gt_label=int(labels[place]))
            for place in np.flatnonzero(chosen)
        ]

    def _file(self, folder: Path, name: str) -> Path:
        """One of the four files."""
        file = find_idx(folder, name)
        if file is None:
            raise ValueError(
                f'FashionMNIST: there is no {folder / name}: apt-get install '
                'dataset-fashion-mnist (Debian, Ubuntu), or set data_root and download=True'
            )
        return file

    def _check(self, images: np.ndarray, labels: np.ndarray, folder: Path) -> None:
        """Refuse files that do not belong together."""
        if len(images) != len(labels):
            raise ValueError(
                f'{folder} has {len(images)} images but {len(labels)} labels of one split'
            )
        if len(labels) and labels.max() >= len(self.METAINFO['classes']):
            raise ValueError(
                f'{folder}: label {labels.max()} of image {labels.argmax()} is not one of the '
                f'{len(self.METAINFO["classes"])} classes'
            )
