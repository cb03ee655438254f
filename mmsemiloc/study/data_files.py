"""What lies on disk of a config's data, so that a study notices changed lists and images."""

import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from mmsemiloc.datasets.listing.list_files import parse_list
from mmsemiloc.datasets.listing.trees import files_below

# Keys of files and folders that a config reads, wherever they stand.
FILE_KEYS = frozenset(
    ('ann_dir', 'ann_file', 'checkpoint', 'classes', 'db_path', 'load_from', 'prior', 'pretrained')
)
DATASET_KEYS = frozenset(('data_root', 'data_prefix'))
SMALL = 2**20  # bytes; the content of smaller files is read
LOCKS = frozenset(('lock.mdb',))  # of an LMDB; readers change it


def dicts_in(node: object) -> Iterator[Mapping]:
    """All dicts of a config, in its order."""
    if isinstance(node, Mapping):
        yield node
        for value in node.values():
            yield from dicts_in(value)
    elif isinstance(node, list | tuple):
        for value in node:
            yield from dicts_in(value)


def stamp(path: str) -> str:
    """Size and time of the last change of a file; 'missing' if it is not there."""
    try:
        info = os.stat(path)
    except OSError:
        return 'missing'
    return f'{info.st_size} {info.st_mtime_ns}'


def stamp_content(path: str) -> str:
    """What a file contains."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def stamp_folder(folder: str) -> list[str]:
    """Name, size and time of each file below a folder, without hidden and foreign ones."""
    files = sorted(files_below(folder, '', Counter()))
    return [
        f'{file} {stamp(os.path.join(folder, file))}'
        for file in files
        if os.path.basename(file) not in LOCKS
    ]


def stamp_path(path: str, is_list: bool = False) -> list[str]:
    """Stamps of a file (by its content, if it is a list or small) or of all files of a folder."""
    if os.path.isdir(path):
        return stamp_folder(path)
    if is_list or os.path.getsize(path) <= SMALL:
        return [stamp_content(path)]
    return [stamp(path)]


def local_path(*parts: object) -> str:
    """Parts of a path joined, with ~ for the home folder; '' if none is a text."""
    texts = [os.path.expanduser(part) for part in parts if isinstance(part, str)]
    return os.path.join(*texts) if texts else ''


def image_folders(dataset: Mapping) -> list[str]:
    """Folders of a dataset's images, as MMEngine joins them."""
    root, prefix = dataset.get('data_root') or '', dataset.get('data_prefix') or ''
    if not prefix and isinstance(dataset.get('split'), str):
        prefix = dataset['split']  # ImageNet
    prefixes = list(prefix.values()) if isinstance(prefix, Mapping) else [prefix]
    folders = [local_path(root, prefix) for prefix in prefixes]
    return [folder for folder in dict.fromkeys(folders) if folder and os.path.isdir(folder)]


def list_file(dataset: Mapping) -> str:
    """The list of a dataset; '' if it has none on this machine."""
    root, given, split = (dataset.get(key) or '' for key in ('data_root', 'ann_file', 'split'))
    file = (
        local_path(root, given)
        if given
        else (local_path(root, 'meta', f'{split}.txt') if isinstance(split, str) and split else '')
    )
    return file if os.path.isfile(file) else ''


def stamp_images(dataset: Mapping) -> list[str]:
    """Stamps of a dataset's images: those that its list names, else all in its folders."""
    folders, file = image_folders(dataset), list_file(dataset)
    if file and len(folders) == 1:
        try:
            listed = parse_list(file, dataset.get('with_label', True), ('',))
        except ValueError:
            listed = {}  # of another format, or wrong, which the dataset will say
        stamps = [f'{path} {stamp(os.path.join(folders[0], path))}' for path in listed]
        if any(not line.endswith(' missing') for line in stamps):
            return stamps

    return [line for folder in folders for line in stamp_folder(folder)]


def data_fingerprint(cfg: Mapping) -> str:
    """Hexadecimal digits that depend on the files that a config names; '' if it names none.

    Lists, and other small files, count with their content; images, and other large files, with
    name, size and time of the last change. Nothing large is read, so that it takes some seconds
    for a million images.

    Args:
        cfg: The config, or any part of it.
    """
    lines: dict[str, list[str]] = {}
    for node in dicts_in(cfg):
        root = node.get('data_root')

        # Files and folders that it names: relative to its root, or to the current folder.
        for key in FILE_KEYS & node.keys():
            value = node[key]
            for path in (local_path(root, value), local_path(value)):
                if isinstance(value, str) and value and path not in lines and os.path.exists(path):
                    lines[path] = stamp_path(path, key in ('ann_file', 'classes'))
                    break

        # The images of a dataset, once for all loaders that read them.
        if DATASET_KEYS & node.keys():
            name = str([image_folders(node), list_file(node), node.get('with_label', True)])
            if name not in lines:
                file = list_file(node)
                lines[name] = ([stamp_content(file)] if file else []) + stamp_images(node)

    content = sorted((path, stamps) for path, stamps in lines.items() if stamps)
    if not content:
        return ''

    digest = hashlib.sha256()
    for path, stamps in content:
        digest.update('\n'.join([path, *stamps, '']).encode(errors='surrogateescape'))

    return digest.hexdigest()
