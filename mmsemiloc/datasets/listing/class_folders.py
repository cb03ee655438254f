"""Images with their classes: from folders that are classes, and from list files."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mmsemiloc.datasets.listing.class_names import same_name
from mmsemiloc.datasets.listing.class_numbers import number_folders, sorted_folders
from mmsemiloc.datasets.listing.endings import EXTENSIONS
from mmsemiloc.datasets.listing.list_files import parse_list, to_line
from mmsemiloc.datasets.listing.trees import LeftOut, Progress, list_tree, no_progress


@dataclass(frozen=True)
class Listing:
    """Images with their classes.

    Attributes:
        paths: Of each image, relative to the folder, with forward slashes; sorted within a class.
        labels: Class of each image, int32 (N,).
        classes: Name of each class.
        left_out: What is not an image of a class, in words.
        read_back: Whether the listing was read back from a file.
    """

    paths: list[str]
    labels: np.ndarray
    classes: list[str]
    left_out: list[str] = field(default_factory=list)
    read_back: bool = False


@dataclass(frozen=True)
class ClassFolders:
    """Images of folders that are classes.

    Attributes:
        images: Path and class of each, by folder, sorted.
        numbers: Number of the class of each folder.
        empty: Folders without images.
        left_out: What is not an image of a class.
    """

    images: list[tuple[str, int]]
    numbers: dict[str, int]
    empty: list[str]
    left_out: LeftOut


def list_classes(
    root: str | Path,
    classes: Sequence[str] | None = None,
    endings: Sequence[str] = EXTENSIONS,
    progress: Progress = no_progress,
    roots: Sequence[str] | None = None,
) -> ClassFolders:
    """Images of a folder that has one folder per class; see ``number_folders`` for the numbers.

    Links must not leave the ``roots``, see ``list_tree``.

    Raises:
        ValueError: If there is no such folder or no image in class folders, or their names do not
            fit the classes.
    """
    tree = list_tree(root, endings, progress, roots)
    if not tree.folders:
        raise ValueError(
            f'{root} has no folder for each class in it ({len(tree.images)} images): '
            'give the list file of its images instead'
        )
    folders = sorted_folders(tree.folders, str(root))
    numbers = number_folders(folders, classes, str(root))

    # Images beside the class folders belong to no class.
    by_folder: dict[str, list[str]] = {name: [] for name in folders}
    for path in tree.images:
        folder, slash, _ = path.partition('/')
        if slash:
            by_folder[folder].append(path)
        else:
            tree.left_out.loose.append(path)

    images = [(path, numbers[name]) for name in folders for path in by_folder[name]]
    if not images:
        left = '; '.join(tree.left_out.lines(root))
        raise ValueError(f'no image in the class folders of {root}{": " if left else ""}{left}')
    empty = [name for name in folders if not by_folder[name]]
    return ClassFolders(images, numbers, empty, tree.left_out)


def list_folder(root: Path, progress: Progress = no_progress) -> Listing:
    """Images of a folder that has one folder per class, classes in the order of their names.

    These are the numbers that ``CustomDataset`` gives to the same folder.

    Args:
        root: The folder.
        progress: Called with the numbers of class folders that have been listed and that there are.

    Raises:
        ValueError: If it is not a folder, or has no class folder, a class has no image, or a list
            cannot hold a path.
    """
    found = list_classes(root, progress=progress)
    if found.empty:
        raise ValueError(
            f'class folder {root / found.empty[0]} has no image '
            f'({", ".join(EXTENSIONS)}): fill it or delete it'
        )

    # A path that no list can hold is refused here, before it is written.
    for path, _ in found.images:
        to_line(path)

    labels = np.array([label for _, label in found.images], np.int32)
    return Listing(
        [path for path, _ in found.images],
        labels,
        list(map(same_name, found.numbers)),
        found.left_out.lines(root),
    )


def read_list(file: Path) -> Listing:
    """Images of a list file; see :func:`parse_list`.

    Raises:
        ValueError: As :func:`parse_list`, and if a class below the largest label has no image.
    """
    lines = parse_list(file)
    labels = np.fromiter(lines.values(), np.int64, len(lines))
    missing = np.setdiff1d(np.arange(min(labels.max(), len(labels) + 10)), labels)
    if len(missing):
        hint = ' (does it count from 1?)' if missing.tolist() == [0] else ''
        raise ValueError(
            f'{file}: no image of class {", ".join(map(str, missing[:10]))}, but one '
            f'of class {labels.max()}{hint}'
        )

    return Listing(list(lines), labels.astype(np.int32), [str(i) for i in range(labels.max() + 1)])
