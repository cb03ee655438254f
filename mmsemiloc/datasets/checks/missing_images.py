"""Images that a list names, but that are not there: found by listing each folder once."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from mmengine.dataset import BaseDataset

from mmsemiloc.datasets.checks.image_records import (
    reads_local_files,
    records,
    relative_path,
    source_of,
)
from mmsemiloc.datasets.contents import leaves
from mmsemiloc.datasets.listing.class_names import alike_name, same_name
from mmsemiloc.datasets.listing.list_files import find_line
from mmsemiloc.datasets.lmdb_dataset import list_keys


@dataclass(frozen=True)
class Missing:
    """A path without an image.

    Attributes:
        path: The path.
        hint: What is there instead, in words; '' if nothing is.
        misspelt: Whether a file is there whose name differs in case or Unicode normalisation only.
    """

    path: str
    hint: str
    misspelt: bool


class Folders:
    """Names in folders, each of which is listed once."""

    def __init__(self) -> None:
        self.names = lru_cache(maxsize=None)(names_in)
        self.alike = lru_cache(maxsize=None)(self._alike)
        self.stems = lru_cache(maxsize=None)(self._stems)

    def _alike(self, folder: str) -> dict[str, list[str]]:
        """Names by what they have in common with those of another case or Unicode form."""
        found: dict[str, list[str]] = {}
        for name in self.names(folder):
            found.setdefault(alike_name(name), []).append(name)
        return found

    def _stems(self, folder: str) -> dict[str, str]:
        """A name for each name without its ending."""
        return {os.path.splitext(name)[0]: name for name in self.names(folder)}


def names_in(folder: str) -> dict[str, bool]:
    """Names in a folder, and whether each is a file that can be opened; {} if it cannot be read."""
    try:
        with os.scandir(folder or '.') as entries:
            return {entry.name: entry.is_file() for entry in entries}
    except OSError:
        return {}


def explain(path: str, folders: Folders) -> Missing:
    """Why there is no file at a path: its first part that is not there, and what is like it."""
    folder = os.sep if path.startswith(os.sep) else ''
    parts = [part for part in path.split(os.sep) if part]
    for place, part in enumerate(parts):
        here, last = os.path.join(folder, part), place == len(parts) - 1
        if part in folders.names(folder) or part in ('.', '..'):
            folder = here
            continue

        # The same letters in another case or Unicode form, or with another ending.
        alike = folders.alike(folder).get(alike_name(part))
        if alike:
            other = os.path.join(folder, alike[0])
            if same_name(alike[0]) == same_name(part):
                other = f'{other!a} (the same letters in another Unicode form)'
            return Missing(path, f'but {other} is', True)
        same_stem = folders.stems(folder).get(os.path.splitext(part)[0]) if last else None
        if same_stem is not None:
            return Missing(path, f'but {os.path.join(folder, same_stem)} is', False)
        return Missing(path, '' if last else f'there is no folder {here}', False)
    return Missing(path, 'it is a folder' if os.path.isdir(path) else 'it is a broken link', False)


def missing_files(paths: Iterable[str]) -> list[Missing]:
    """Those of the paths at which there is no file, in order.

    Every folder is listed once, which takes seconds for a million files in a thousand folders.
    """
    folders = Folders()
    absent = []
    last, names = None, {}

    for path in paths:
        folder, name = os.path.split(path)
        if folder != last:
            last, names = folder, folders.names(folder)
        # A file system that does not tell cases apart opens the file all the same.
        if not names.get(name) and not os.path.isfile(path):
            absent.append(path)
    return [explain(path, folders) for path in absent]


def missing_keys(keys: Iterable[str], known: Iterable[str]) -> list[Missing]:
    """Those of the keys that an LMDB does not have, in order."""
    known = set(known)
    absent = [key for key in keys if key not in known]
    alike = {alike_name(key): key for key in known} if absent else {}
    found = [(key, alike.get(alike_name(key))) for key in absent]
    return [
        Missing(key, f'but {other} is' if other else '', other is not None) for key, other in found
    ]


def check_images_exist(dataset: BaseDataset, kind: str, skip: bool = False) -> list[str]:
    """Look for each image of a dataset, before training; not for remote ones and those in memory.

    Args:
        dataset: Any dataset; concatenations and wrappers are looked into.
        kind: What its images are called in messages, e.g. 'labelled'.
        skip: Whether a missing image is left to the policy for faults. A path whose file has a name
            of another case or Unicode normalisation is an error all the same, and so is a dataset
            of which no image is there.

    Returns:
        The paths that are missing, with ``skip``.

    Raises:
        ValueError: With the first missing image, its list and line, and what is there instead.
    """
    missing: list[str] = []
    for leaf in leaves(dataset):
        # In memory, images have no path.
        paths = [
            record['img_path']
            for record in records(leaf)
            if isinstance(record.get('img_path'), str)
        ]

        # What is not there: in the LMDB, on this machine, or elsewhere, which is not looked at.
        if getattr(leaf, 'db_path', ''):
            listed = bool(source_of(leaf).list_file)
            found = missing_keys(paths, list_keys(leaf.db_path)) if listed else []
        elif reads_local_files(leaf):
            found = missing_files(path for path in paths if '://' not in path)
        else:
            found = []

        misspelt = next((one for one in found if one.misspelt), None)
        if found and (misspelt or not skip or len(found) == len(paths)):
            raise ValueError(describe_missing(leaf, misspelt or found[0], found, len(paths), kind))
        missing += [one.path for one in found]
    return missing


def describe_missing(
    leaf: BaseDataset, first: Missing, found: list[Missing], total: int, kind: str
) -> str:
    """One line on the first missing image of a dataset, and how many there are."""
    source = source_of(leaf)
    listed = relative_path(first.path, source.prefix)

    # The line may name the image relative to the folder, or by its whole path.
    line = 0
    if source.list_file:
        line = find_line(source.list_file, listed, source.labeled) or find_line(
            source.list_file, first.path, source.labeled
        )

    where = f'{source.list_file}, line {line}: ' if line else ''
    place = f' of LMDB {leaf.db_path}' if getattr(leaf, 'db_path', '') else ''
    text = f'{where}{kind} image {first.path}{place} is not there'
    if first.hint:
        text += f', {first.hint}' if first.hint.startswith('but') else f': {first.hint}'

    if len(found) == total:
        return (
            f'{text}; none of the {total} {kind} images is there: are data_root '
            f'and data_prefix right (here {source.prefix or "empty"})?'
        )
    more = f' ({len(found)} of {total} images are missing)' if len(found) > 1 else ''
    return f'{text}{more}: correct the list, or rename or restore the file'
