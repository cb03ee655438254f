"""ELPV: photographs of solar cells, functional or defective, from the package elpv-dataset.

Deitsch et al., Automatic classification of defective photovoltaic module cells in
electroluminescence images, Solar Energy 185 (2019), https://github.com/zae-bayern/elpv-dataset. The
data are under CC BY-NC-SA 4.0 and no part of this package.
"""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mmpretrain.datasets import BaseDataset

from mmsemiloc.datasets.checks.missing_images import missing_files
from mmsemiloc.datasets.few_labels import FewLabelsMixin
from mmsemiloc.datasets.listing.list_files import read_lines
from mmsemiloc.registry import DATASETS

SPLITS = {'train': (0.0, 0.6), 'val': (0.6, 0.75), 'test': (0.75, 1.0)}
CELL_TYPES = ('mono', 'poly')


@dataclass(frozen=True)
class Cell:
    """A line of ``labels.csv``.

    Attributes:
        line: Its number, from 1.
        path: The image, relative to the folder of the file.
        probability: Of a defect, 0 to 1.
        cell_type: 'mono' or 'poly'.
    """

    line: int
    path: str
    probability: float
    cell_type: str


def parse_cell(number: int, line: str) -> Cell:
    """A line ``images/cell0001.png 1.0 mono``.

    Raises:
        ValueError: If it is not of that form.
    """
    fields = line.split()
    if len(fields) != 3:
        raise ValueError(f"expected 'image probability type' separated by blanks, got {line!r}")

    path, text, cell_type = fields
    try:
        probability = float(text)
    except ValueError:
        raise ValueError(f'the probability {text!r} is not a number') from None
    if not 0 <= probability <= 1:
        raise ValueError(f'the probability {text} is not between 0 and 1')
    if cell_type not in CELL_TYPES:
        raise ValueError(f'the type must be one of {", ".join(CELL_TYPES)}, got {cell_type!r}')
    return Cell(number, path, probability, cell_type)


def read_cells(folder: Path) -> list[Cell]:
    """All lines of ``labels.csv``, each of which has an image.

    Raises:
        ValueError: With the line, if it is wrong, names an image twice, or one that is not there;
            also if there is no such file or it is empty.
    """
    file = folder / 'labels.csv'
    cells: dict[str, Cell] = {}
    for number, line in read_lines(file):
        try:
            cell = parse_cell(number, line)
        except ValueError as error:
            raise ValueError(f'{file}, line {number}: {error}') from None
        earlier = cells.setdefault(cell.path, cell)
        if earlier is not cell:
            raise ValueError(
                f'{file}, line {number}: {cell.path} is in line {earlier.line} too: delete one'
            )
    if not cells:
        raise ValueError(f'{file} has no images')

    # An image is looked for now, and not in the middle of a run.
    paths = {str(folder / path): cell for path, cell in cells.items()}
    for missing in missing_files(paths):
        cell = paths[missing.path]
        hint = f' ({missing.hint})' if missing.hint else ''
        raise ValueError(f'{file}, line {cell.line}: there is no image {cell.path}{hint}')
    return list(cells.values())


def split_cells(cells: Sequence[Cell], seed: int = 0) -> dict[str, list[Cell]]:
    """The cells of each split: 60 % train, 15 % val, 25 % test.

    These are the shares of each kind of cell (defect probability and type). Within a kind, images
    are ordered by a hash of seed and file name, so a split depends on nothing else: neither on the
    order of the lines nor on a version of NumPy.

    Args:
        cells: All cells.
        seed: Of the order.
    """

    def order(cell: Cell) -> str:
        """A random number that belongs to the name."""
        return hashlib.sha256(f'{seed} {cell.path}'.encode()).hexdigest()

    kinds = defaultdict(list)
    for cell in sorted(cells, key=order):
        kinds[cell.probability, cell.cell_type].append(cell)

    # The parts of each kind, in the order of the file.
    splits = {}
    for split, shares in SPLITS.items():
        chosen: list[Cell] = []
        for members in kinds.values():
            low, high = (round(share * len(members)) for share in shares)
            chosen += members[low:high]
        splits[split] = sorted(chosen, key=lambda cell: cell.line)
    return splits


def package_folder() -> Path:
    """The folder of ``labels.csv`` in the package elpv-dataset.

    Raises:
        ValueError: If it is not installed.
    """
    spec = find_spec('elpv_dataset')
    if spec is None or spec.origin is None:
        raise ValueError(
            'ELPV: the package elpv-dataset is not installed (91 MB, CC BY-NC-SA 4.0): '
            'pip install elpv-dataset, or set data_root to a folder with labels.csv and images/'
        )
    return Path(spec.origin).parent / 'data'


@DATASETS.register_module()
class ELPV(FewLabelsMixin, BaseDataset):
    """2,624 photographs (300 x 300, grey) of solar cells by electroluminescence.

    An expert gave each cell a defect probability of 0, 1/3, 2/3 or 1. Those above ``threshold`` are
    'defective': by default 2/3 and 1, so that 1/3 (probably functional) is 'functional'. Samples
    also know ``probability`` and ``cell_type`` ('mono' or 'poly').

    The split is fixed, see :func:`split_cells`. It is a random one: the cells were cut out of 44
    modules, and the data do not say of which, so cells of one module are in several splits. An
    accuracy is that for new cells of known modules; for new modules it is optimistic.

    Args:
        split: 'train', 'val', 'test', or 'all'.
        data_root: Folder of ``labels.csv`` and ``images/``; None for that of the package.
        threshold: Largest probability of a functional cell, at least 0 and below 1.
        **kwargs: ``per_class``, ``seed`` and ``labeled`` of :class:`FewLabelsMixin`, and those of
            mmpretrain's ``BaseDataset`` (``pipeline``, ``indices`` ...).

    Raises:
        ValueError: If an argument is out of range, the package is missing, or ``labels.csv`` is
            wrong (with the line).
    """

    METAINFO = {'classes': ('functional', 'defective')}

    def __init__(
        self,
        split: str = 'train',
        data_root: str | None = None,
        threshold: float = 0.5,
        **kwargs: Any,
    ) -> None:
        if split not in (*SPLITS, 'all'):
            raise ValueError(f'split must be one of {(*SPLITS, "all")}, got {split!r}')
        if not 0 <= threshold < 1:
            raise ValueError(f'threshold must be at least 0 and below 1, got {threshold}')

        self.split, self.threshold = split, threshold
        folder = Path(data_root).expanduser() if data_root else package_folder()
        super().__init__(ann_file='', data_root=str(folder), **kwargs)

    def load_data_list(self) -> list[dict]:
        """Path, class, probability and type of each cell."""
        folder = Path(self.data_root)
        cells = read_cells(folder)
        chosen = cells if self.split == 'all' else split_cells(cells)[self.split]
        return [
            dict(
                img_path=str(folder / cell.path),
                gt_label=int(cell.probability > self.threshold),
                probability=cell.probability,
                cell_type=cell.cell_type,
            )
            for cell in chosen
        ]
