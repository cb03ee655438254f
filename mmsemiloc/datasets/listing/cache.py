"""The listing of a folder of classes, kept in a file until something changes."""

import json
import os
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mmsemiloc.datasets.listing.class_folders import Listing, list_folder
from mmsemiloc.datasets.listing.endings import EXTENSIONS
from mmsemiloc.datasets.listing.foreign import FOREIGN_NAMES, is_foreign
from mmsemiloc.datasets.listing.trees import Progress, check_link, no_progress
from mmsemiloc.files import write_whole

COARSE = 2 * 10**9  # file systems store times in steps of up to two seconds


VERSION = 2


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

    # Stamps before the listing, so that a change while it runs is seen the next time.
    listed = time.time_ns()
    if root.is_dir():
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
    write_whole(cache, '\n'.join([json.dumps(header), *listing.paths, '']))
    return listing
