"""Which labelled images there are: listings of folders of classes, and list files."""
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import features

# Endings of what LoadImageFromFile reads; some formats depend on how Pillow was built.
EXTENSIONS = ('.jpg', '.jpeg', '.png', '.webp', '.bmp', '.tif', '.tiff', '.gif', '.ppm', '.pgm',
              '.pbm', '.pnm', '.jpe', '.jfif', '.dib', '.mpo', '.apng', '.tga', '.pcx', '.ras',
              *(('.avif', ) if 'avif' in features.modules and features.check_module('avif') else ()),
              *(('.jp2', '.j2k') if features.check_codec('jpg_2000') else ()))


@dataclass(frozen=True)
class Listing:
    """Images with their classes.

    Attributes:
        paths: Of each image, relative to the folder, with forward slashes; sorted within a class.
        labels: Class of each image, int32 (N,).
        classes: Name of each class.
        ignored: Files that are no images by their ending, and files outside of class folders.
    """
    paths: list[str]
    labels: np.ndarray
    classes: list[str]
    ignored: int = 0


def files_below(folder: Path, prefix: str) -> list[str]:
    """Paths of all files below a folder, each beginning with ``prefix``; hidden ones are left out, as in MMEngine."""
    found = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith('.'):
                continue
            path = f'{prefix}{entry.name}'
            if entry.is_dir():
                found += files_below(Path(entry.path), f'{path}/')
            else:
                found.append(path)
    return found


def list_folder(root: Path, progress: Callable[[int, int], None] = lambda done, total: None) -> Listing:
    """Images of a folder that has one folder a class, classes in the order of their names (as mmpretrain numbers them).

    Args:
        root: The folder.
        progress: Called with the numbers of class folders that have been listed and that there are.

    Raises:
        ValueError: If it is no folder, or has no class folder, a class has no image, or a path a line break.
    """
    if not root.is_dir():
        raise ValueError(f'no such folder: {root}')
    with os.scandir(root) as entries:
        visible = [entry for entry in entries if not entry.name.startswith('.')]
    classes = sorted(entry.name for entry in visible if entry.is_dir())
    if not classes:
        raise ValueError(f'{root} has no folder for each class in it; give the list file of its images instead')
    paths: list[str] = []
    counts = []
    ignored = len(visible) - len(classes)
    for i, name in enumerate(classes):
        files = files_below(root / name, f'{name}/')
        images = sorted(path for path in files if path.lower().endswith(EXTENSIONS))
        if not images:
            raise ValueError(f'class folder {root / name} has no image ({", ".join(EXTENSIONS)})')
        broken = [path for path in images if '\n' in path or '\r' in path]
        if broken:
            raise ValueError(f'a list file cannot hold a path with a line break: {str(root / broken[0])!r}')
        ignored += len(files) - len(images)
        paths += images
        counts.append(len(images))
        progress(i + 1, len(classes))
    return Listing(paths, np.repeat(np.arange(len(classes), dtype=np.int32), counts), classes, ignored)


def parse_list(file: Path, labeled: bool = True) -> dict[str, int]:
    """Path and label of each line ``path label`` of a list file, or with the label -1 of each line ``path``.

    A path may have spaces, and a line may end as on Windows.

    Raises:
        ValueError: With the number of the line, if it is not UTF-8, has no path and label, or a path that an earlier one
            has; if there is no such file, or no line in it.
    """
    lines: dict[str, int] = {}
    try:
        content = file.read_bytes().splitlines()
    except OSError as error:
        raise ValueError(f'cannot read the list of images {file}: {error}') from error
    for number, raw in enumerate(content, 1):
        try:
            line = raw.decode().strip()
        except UnicodeDecodeError as error:
            raise ValueError(f'{file}, line {number}: not UTF-8: {raw!r}') from error
        path, _, label = line.rpartition(' ') if labeled else (line, '', '-1')
        if not path or (labeled and not label.isdecimal()):
            expected = "'path label' with a label of 0 or more" if labeled else 'a path'
            raise ValueError(f'{file}, line {number}: expected {expected}, got {line!r}')
        if path in lines:
            raise ValueError(f'{file}, line {number}: {path} stands in the list already')
        lines[path] = int(label)
    if not lines:
        raise ValueError(f'{file} has no images')
    return lines


def read_list(file: Path) -> Listing:
    """Images of a list file; see :func:`parse_list`.

    Raises:
        ValueError: As :func:`parse_list`, and if a class below the largest label has no image.
    """
    lines = parse_list(file)
    labels = np.fromiter(lines.values(), np.int32, len(lines))
    missing = np.flatnonzero(np.bincount(labels) == 0)
    if len(missing):
        raise ValueError(f'{file}: no image of class {", ".join(map(str, missing[:10]))}, but one of class {labels.max()}')
    return Listing(list(lines), labels, [str(i) for i in range(labels.max() + 1)])


def folder_times(root: Path, classes: list[str]) -> list[int]:
    """When the contents of the folder and of each class folder changed last."""
    return [os.stat(path).st_mtime_ns for path in (root, *(root / name for name in classes))]


def list_folder_cached(root: Path, cache: Path, progress: Callable[[int, int], None] = lambda done, total: None) -> Listing:
    """:func:`list_folder`, read back from ``cache`` if no class folder has changed since (deeper ones are not checked)."""
    try:
        with cache.open(encoding='utf-8') as file:
            header = json.loads(file.readline())
            paths = file.read().splitlines()
        if header['root'] == str(root.resolve()) and header['times'] == folder_times(root, header['classes']):
            labels = np.repeat(np.arange(len(header['counts']), dtype=np.int32), header['counts'])
            return Listing(paths, labels, header['classes'], header['ignored'])
    except (OSError, ValueError, KeyError):
        pass  # none yet, a torn one, or a class folder is gone: list anew
    listing = list_folder(root, progress)
    header = dict(root=str(root.resolve()), times=folder_times(root, listing.classes), classes=listing.classes,
                  counts=np.bincount(listing.labels).tolist(), ignored=listing.ignored)
    cache.parent.mkdir(parents=True, exist_ok=True)
    partial = cache.with_suffix('.partial')
    partial.write_text('\n'.join([json.dumps(header), *listing.paths, '']), encoding='utf-8')
    os.replace(partial, cache)
    return listing
