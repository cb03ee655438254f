"""Which labelled images there are: listings of folders of classes, and list files."""

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mmengine.fileio import LocalBackend, get_file_backend

from mmsemiloc.datasets.listing.endings import EXTENSIONS, count_endings, describe_endings, is_image
from mmsemiloc.datasets.listing.foreign import describe_foreign, foreign_part, is_foreign
from mmsemiloc.datasets.listing.links import check_inside

Progress = Callable[[int, int], None]


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
        """What was left out of a folder, one line per kind."""
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


def files_below(
    folder: str, prefix: str, foreign: Counter[str], roots: Sequence[str] | None = None
) -> list[str]:
    """Paths of all files below a local folder, each beginning with ``prefix``.

    Hidden and foreign ones are counted in ``foreign`` instead.

    Raises:
        ValueError: If a symbolic link leads to a folder that it is in, or leaves the ``roots``.
    """
    found = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if is_foreign(entry.name):
                foreign[entry.name] += 1
            elif entry.is_dir():
                if entry.is_symlink():
                    check_link(entry.path)
                    check_inside(entry.path, roots)
                found += files_below(entry.path, f'{prefix}{entry.name}/', foreign, roots)
            else:
                if entry.is_symlink():
                    check_inside(entry.path, roots)
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
    root: str, foreign: Counter[str], progress: Progress, roots: Sequence[str] | None = None
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
                if entry.is_symlink():
                    check_inside(entry.path, roots)
                (folders if entry.is_dir() else files).append(entry.name)

    # Folder by folder, sorted, for the progress.
    folders.sort()
    for done, name in enumerate(folders, 1):
        if os.path.islink(os.path.join(root, name)):
            check_link(os.path.join(root, name))
        files += sorted(files_below(os.path.join(root, name), f'{name}/', foreign, roots))
        progress(done, len(folders))
    return folders, files


def list_tree(
    root: str | Path,
    endings: Sequence[str] = EXTENSIONS,
    progress: Progress = no_progress,
    roots: Sequence[str] | None = None,
) -> Tree:
    """All images below a folder, by one rule for what is hidden or foreign; see ``is_foreign``.

    Args:
        root: The folder, local or one that MMEngine reads.
        endings: What images end with, in lower case.
        progress: Called with the numbers of folders that have been listed and that there are.
        roots: Folders that links must not leave, see ``real_roots``; None if they may.

    Raises:
        ValueError: If there is no such folder, or a link leaves the ``roots``.
    """
    root, endings = str(root).rstrip('/') or '/', tuple(endings)
    left_out = LeftOut()
    if isinstance(get_file_backend(root, enable_singleton=True), LocalBackend):
        folders, files = local_files(root, left_out.foreign, progress, roots)
    else:
        folders, files = remote_files(root, left_out.foreign)
        files.sort()

    images = [path for path in files if is_image(path, endings)]
    if len(images) < len(files):
        left_out.endings.update(count_endings(files, endings))
    return Tree(images, folders, left_out)
