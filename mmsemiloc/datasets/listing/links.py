"""Paths that leave the folder of the data: by a link, by '..', or because they are absolute."""

import os
from collections.abc import Iterable, Sequence

REMEDY = (
    'copy it into the folder, or set allow_links=True of the dataset (--allow-links of '
    'tools/fit.py) if it is meant'
)


def real_roots(*folders: str) -> tuple[str, ...]:
    """The folders that paths must not leave, without links; those that are '' are left out.

    The folders themselves may be links: the user has named them.
    """
    return tuple(os.path.realpath(folder) for folder in folders if folder)


def is_inside(path: str, roots: Sequence[str]) -> bool:
    """Whether a path without links is one of some folders, or in it."""
    return any(path == root or path.startswith(f'{root.rstrip("/")}/') for root in roots)


def check_inside(path: str, roots: Sequence[str] | None) -> None:
    """Refuse a link that leaves the data.

    Args:
        path: A link, to a file or folder. A broken one is no concern here.
        roots: See :func:`real_roots`; None if links may lead anywhere.

    Raises:
        ValueError: With the link and its target.
    """
    target = os.path.realpath(path)
    if roots and not is_inside(target, roots) and os.path.exists(target):
        raise ValueError(f'{path} is a link that leaves {roots[0]} (to {target}): {REMEDY}')


def links_in(folder: str) -> set[str]:
    """Names of the links in a folder; none if it cannot be read."""
    try:
        with os.scandir(folder) as entries:
            return {entry.name for entry in entries if entry.is_symlink()}
    except OSError:
        return set()


def first_outside(paths: Iterable[str], roots: Sequence[str]) -> tuple[str, str] | None:
    """The first path that leaves some folders, and where it leads; None if none does.

    Every folder is resolved and listed once.

    Args:
        paths: Of images on this machine, as they are opened.
        roots: See :func:`real_roots`.
    """
    links: dict[str, set[str]] = {}
    for path in paths:
        folder, name = os.path.split(path)
        if folder not in links:
            real = os.path.realpath(folder)
            if not is_inside(real, roots):
                return path, os.path.join(real, name)
            links[folder] = links_in(folder or '.')

        if name in links[folder] or name == '..':
            target = os.path.realpath(path)
            if not is_inside(target, roots) and os.path.exists(target):
                return path, target
    return None
