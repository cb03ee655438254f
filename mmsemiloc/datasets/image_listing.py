"""Which labelled images there are: listings of folders of classes, and list files."""

import json
import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from mmengine.fileio import LocalBackend, get_file_backend

from mmsemiloc.datasets.class_numbers import number_folders, sorted_folders
from mmsemiloc.datasets.classes import same_name
from mmsemiloc.datasets.endings import EXTENSIONS, count_endings, describe_endings, is_image
from mmsemiloc.datasets.foreign import FOREIGN_NAMES, describe_foreign, foreign_part, is_foreign
from mmsemiloc.datasets.list_files import parse_list, to_line

Progress = Callable[[int, int], None]
COARSE = 2 * 10**9  # file systems store times in steps of up to two seconds
VERSION = 2


def no_progress(done: int, total: int) -> None:
    """Show nothing."""


@dataclass
class LeftOut:
    """Files that a listing has left out.

    Attributes:
        foreign: How many hidden or foreign files and folders there are, by name.
        endings: How many files have another ending than images, by ending.
        loose: Images that are in no class folder.
    """

    foreign: Counter[str] = field(default_factory=Counter)
    endings: Counter[str] = field(default_factory=Counter)
    loose: list[str] = field(default_factory=list)

    def lines(self, root: str | Path) -> list[str]:
        """What was left out of a folder, one line a kind."""
        lines = [describe_foreign(self.foreign, root), describe_endings(self.endings, root)]
        if self.loose:
            files = '1 image' if len(self.loose) == 1 else f'{len(self.loose)} images'
            more = ', ...' if len(self.loose) > 1 else ''
            lines.append(f'{files} in no class folder of {root} left out: {self.loose[0]}{more}')
        return [line for line in lines if line]


@dataclass(frozen=True)
class Tree:
    """What a folder holds, without what is hidden or foreign.

    Attributes:
        images: Paths of the images, relative to the folder, with forward slashes; sorted within
            each folder of the first level.
        folders: Folders of the first level, in the order in which they were found.
        left_out: The rest.
    """

    images: list[str]
    folders: list[str]
    left_out: LeftOut


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


def files_below(folder: str, prefix: str, foreign: Counter[str]) -> list[str]:
    """Paths of all files below a local folder, each beginning with ``prefix``.

    Hidden and foreign ones are counted in ``foreign`` instead.

    Raises:
        ValueError: If a symbolic link leads to a folder that it is in.
    """
    found = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if is_foreign(entry.name):
                foreign[entry.name] += 1
            elif entry.is_dir():
                if entry.is_symlink():
                    check_link(entry.path)
                found += files_below(entry.path, f'{prefix}{entry.name}/', foreign)
            else:
                found.append(f'{prefix}{entry.name}')
    return found


def check_link(path: str) -> None:
    """Refuse a symbolic link to a folder that it is in, which has no end."""
    target = os.path.realpath(path)
    if f'{os.path.realpath(os.path.dirname(path))}/'.startswith(f'{target}/'):
        raise ValueError(f'{path} is a link to a folder that it is in ({target}): delete the link')


def remote_files(root: str, foreign: Counter[str]) -> tuple[list[str], list[str]]:
    """Folders of the first level, and all files below, through MMEngine's file backend."""
    backend = get_file_backend(root, enable_singleton=True)
    kept: dict[bool, list[str]] = {}
    for is_file in (False, True):
        kept[is_file] = []
        for path in backend.list_dir_or_file(
            root, list_dir=not is_file, list_file=is_file, recursive=is_file
        ):
            name = foreign_part(path)
            if name is None:
                kept[is_file].append(path.rstrip('/'))
            else:
                foreign[name] += 1
    return kept[False], kept[True]


def local_files(
    root: str, foreign: Counter[str], progress: Progress
) -> tuple[list[str], list[str]]:
    """As :func:`remote_files`, of a local folder."""
    if not os.path.isdir(root):
        raise ValueError(
            f'{root} is a file, not a folder of images'
            if os.path.exists(root)
            else f'no such folder: {root}'
        )
    folders: list[str] = []
    files: list[str] = []
    with os.scandir(root) as entries:
        for entry in entries:
            if is_foreign(entry.name):
                foreign[entry.name] += 1
            else:
                (folders if entry.is_dir() else files).append(entry.name)
    folders.sort()
    for done, name in enumerate(folders, 1):
        if os.path.islink(os.path.join(root, name)):
            check_link(os.path.join(root, name))
        files += sorted(files_below(os.path.join(root, name), f'{name}/', foreign))
        progress(done, len(folders))
    return folders, files


def list_tree(
    root: str | Path, endings: Sequence[str] = EXTENSIONS, progress: Progress = no_progress
) -> Tree:
    """All images below a folder, by one rule for what is hidden or foreign; see ``is_foreign``.

    Args:
        root: The folder, local or one that MMEngine reads.
        endings: What images end with, in lower case.
        progress: Called with the numbers of folders that have been listed and that there are.

    Raises:
        ValueError: If there is no such folder.
    """
    root, endings = str(root).rstrip('/') or '/', tuple(endings)
    left_out = LeftOut()
    if isinstance(get_file_backend(root, enable_singleton=True), LocalBackend):
        folders, files = local_files(root, left_out.foreign, progress)
    else:
        folders, files = remote_files(root, left_out.foreign)
        files.sort()
    images = [path for path in files if is_image(path, endings)]
    if len(images) < len(files):
        left_out.endings.update(count_endings(files, endings))
    return Tree(images, folders, left_out)


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
) -> ClassFolders:
    """Images of a folder that has one folder a class; see ``number_folders`` for the numbers.

    Raises:
        ValueError: If there is no such folder or no image in class folders, or their names do not
            fit the classes.
    """
    tree = list_tree(root, endings, progress)
    if not tree.folders:
        raise ValueError(
            f'{root} has no folder for each class in it ({len(tree.images)} images): '
            'give the list file of its images instead'
        )
    folders = sorted_folders(tree.folders, str(root))
    numbers = number_folders(folders, classes, str(root))

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
    """Images of a folder that has one folder a class, classes in the order of their names.

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


def folder_stamps(root: str, folders: Sequence[str]) -> list[list[int]]:
    """Time of the last change, time of the last change of the entry, and number of each folder.

    A folder that was put in the place of another has another number, though its times be copied.
    """
    stamps = []
    for folder in folders:
        info = os.stat(os.path.join(root, folder))
        stamps.append([info.st_mtime_ns, info.st_ctime_ns, info.st_ino])
    return stamps


def folders_below(root: str, prefix: str = '') -> list[str]:
    """All folders below a folder, relative to it, at any depth; not hidden or foreign ones."""
    found = []
    with os.scandir(os.path.join(root, prefix)) as entries:
        inner = [entry for entry in entries if not is_foreign(entry.name) and entry.is_dir()]
    for entry in inner:
        if entry.is_symlink():
            check_link(entry.path)
    for name in sorted(entry.name for entry in inner):
        found += [f'{prefix}{name}', *folders_below(root, f'{prefix}{name}/')]
    return found


def listing_rule(root: Path) -> dict:
    """What else a listing depends on, beside the folders."""
    return dict(
        version=VERSION,
        root=str(root.resolve()),
        endings=list(EXTENSIONS),
        foreign=sorted(FOREIGN_NAMES),
    )


def read_cache(root: Path, cache: Path) -> Listing | None:
    """The listing that a file keeps; None if there is none, or something has changed since."""
    try:
        with cache.open(encoding='utf-8', newline='\n') as file:
            header = json.loads(file.readline())
            paths = file.read().split('\n')[:-1]
        stamps = folder_stamps(str(root), header['folders'])
        fresh = (
            header['rule'] == listing_rule(root)
            and header['stamps'] == stamps
            # A change in the same tick as the listing would leave no trace.
            and all(stamp[0] < header['listed'] - COARSE for stamp in stamps)
            and len(paths) == sum(header['counts'])
        )
        labels = np.repeat(np.arange(len(header['counts']), dtype=np.int32), header['counts'])
        listing = Listing(paths, labels, header['classes'], header['left_out'], read_back=True)
        return listing if fresh else None
    except (OSError, ValueError, KeyError, TypeError):
        return None  # none yet, a torn one, one of another version, or a folder is gone: list anew


def list_folder_cached(root: Path, cache: Path, progress: Progress = no_progress) -> Listing:
    """:func:`list_folder`, read back from ``cache`` if no folder at any depth has changed since."""
    listing = read_cache(root, cache)
    if listing is not None:
        return listing
    listed = time.time_ns()
    if root.is_dir():
        # Before the listing, so that a change while it runs is seen the next time.
        folders = ['', *folders_below(str(root))]
        stamps = folder_stamps(str(root), folders)
    listing = list_folder(root, progress)
    header = dict(
        rule=listing_rule(root),
        listed=listed,
        folders=folders,
        stamps=stamps,
        classes=listing.classes,
        counts=np.bincount(listing.labels).tolist(),
        left_out=listing.left_out,
    )
    cache.parent.mkdir(parents=True, exist_ok=True)
    partial = cache.with_suffix('.partial')
    partial.write_text(
        '\n'.join([json.dumps(header), *listing.paths, '']), encoding='utf-8', newline='\n'
    )
    os.replace(partial, cache)
    return listing
