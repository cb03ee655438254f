"""Datasets of folders and lists that number classes by their names and read lists with care."""

import logging
from collections.abc import Mapping, Sequence
from os.path import expanduser, join
from typing import Any

import mmpretrain.datasets
import numpy as np
from mmengine.config import Config
from mmengine.fileio import LocalBackend, get_file_backend
from mmengine.logging import print_log

from mmsemiloc.datasets.listing.class_folders import list_classes
from mmsemiloc.datasets.listing.class_names import check_class_names, listed, same_name
from mmsemiloc.datasets.listing.class_numbers import read_class_names
from mmsemiloc.datasets.listing.endings import EXTENSIONS
from mmsemiloc.datasets.listing.links import REMEDY, first_outside, real_roots
from mmsemiloc.datasets.listing.list_files import find_line, parse_list
from mmsemiloc.datasets.listing.trees import LeftOut, list_tree
from mmsemiloc.registry import DATASETS

SPLITS = ('train', 'val', 'test')


def say(message: str, level: int = logging.WARNING) -> None:
    """One line in the log of the run."""
    print_log(message, logger='current', level=level)


def say_left_out(left_out: LeftOut, root: str) -> None:
    """What a listing left out: foreign names are no cause for alarm, other files may be."""
    for line in LeftOut(foreign=left_out.foreign).lines(root):
        say(line, logging.INFO)
    for line in LeftOut(endings=left_out.endings, loose=left_out.loose).lines(root):
        say(line)


def check_label_range(file: str, labels: Mapping[str, int], classes: Sequence[str]) -> None:
    """Refuse a label of a list that no class has.

    Raises:
        ValueError: With the line of the first one.
    """
    values = np.fromiter(labels.values(), np.int64, len(labels))
    bad = np.flatnonzero(values >= len(classes))
    if len(bad):
        path = list(labels)[bad[0]]
        hint = ' (does the list count from 1?)' if values.min() == 1 else ''
        raise ValueError(
            f'{file}, line {find_line(file, path, True)}: {path} has label '
            f'{values[bad[0]]}, but there are {len(classes)} classes, 0 to '
            f'{len(classes) - 1}: {listed(classes)}{hint}'
        )


class ImageFolderMixin(mmpretrain.datasets.CustomDataset):
    """What our datasets of folders and lists do in another way than MMPretrain's.

    - Hidden and foreign files and folders are left out at any depth, see ``is_foreign``; they, and
      files with other endings, are counted in one line.
    - A folder whose name is a class has the number of that class, see ``number_folders``.
    - List files are read by ``parse_list``, whose errors name file and line.
    - Lines and links that leave the folders of the data are refused, unless ``allow_links`` is set.
    """

    allow_links = False

    @classmethod
    def _load_metainfo(cls, metainfo: Mapping | Config | None = None) -> dict:
        """The metainfo, with sound class names as a tuple."""
        if isinstance(metainfo, Config):
            metainfo = metainfo.to_dict()

        own = cls.METAINFO.get('classes')
        if metainfo is not None and metainfo.get('classes') is not None:
            names = metainfo['classes']
            names = read_class_names(names) if isinstance(names, str) else tuple(names)
            if names != own:  # two birds and machines of ImageNet have the same name
                check_class_names(names, f'classes of {cls.__name__}')
                names = tuple(map(same_name, names))
            metainfo = {**metainfo, 'classes': names}
        return super()._load_metainfo(metainfo)

    def _compat_classes(self, metainfo: Mapping | None, classes: object) -> dict:
        """Merge the argument ``classes`` into the metainfo."""
        if isinstance(classes, str):
            classes = read_class_names(expanduser(classes))

        merged = super()._compat_classes(metainfo, classes)
        if isinstance(classes, list | tuple) and tuple(merged['classes']) != tuple(classes):
            raise ValueError(
                f'classes={listed(list(map(str, classes)))} differs from '
                f'metainfo.classes={listed(list(map(str, merged["classes"])))}: set one'
            )
        return merged

    def load_data_list(self) -> list[dict]:
        """Path and label of each image.

        Raises:
            ValueError: See ``list_classes`` and ``parse_list``; also for a label that no class has,
                and for what leaves the data.
        """
        images = self._find_listed() if self.ann_file else self._find_samples()
        join_path = get_file_backend(self.img_prefix, enable_singleton=True).join_path
        if self.with_label:
            return [
                dict(img_path=join_path(self.img_prefix, path), gt_label=label)
                for path, label in images
            ]
        return [dict(img_path=join_path(self.img_prefix, path)) for path, _ in images]

    def _find_listed(self) -> list[tuple[str, int]]:
        """Path and label of each line of the list."""
        lines = parse_list(self.ann_file, self.with_label, self.extensions)
        if self.with_label and self.CLASSES is not None:
            check_label_range(self.ann_file, lines, self.CLASSES)
        self._check_inside(lines)
        return list(lines.items())

    def _roots(self) -> tuple[str, ...] | None:
        """The folders that images must not leave; None without such a folder, or if they may."""
        local = isinstance(get_file_backend(self.img_prefix, enable_singleton=True), LocalBackend)
        roots = real_roots(self.data_root, self.img_prefix)
        return roots if roots and local and not self.allow_links else None

    def _check_inside(self, lines: Mapping[str, int]) -> None:
        """Refuse a list that names an image elsewhere."""
        roots = self._roots()
        if roots is None:
            return

        opened = {join(self.img_prefix, path): path for path in lines}
        found = first_outside(opened, roots)
        if found:
            path = opened[found[0]]
            raise ValueError(
                f'{self.ann_file}, line {find_line(self.ann_file, path, self.with_label)}: {path} '
                f'leaves {roots[0]} (to {found[1]}): {REMEDY}'
            )

    def _find_samples(self) -> list[tuple[str, int]]:
        """Path and class of each image in folders; the class is -1 without labels."""
        root = self.img_prefix.rstrip('/') or '.'
        if not self.with_label:
            tree = list_tree(root, self.extensions, roots=self._roots())
            say_left_out(tree.left_out, root)
            if not tree.images:
                raise ValueError(f'no image in {root} ({", ".join(sorted(self.extensions))})')
            return [(path, -1) for path in sorted(tree.images)]

        found = list_classes(root, self.CLASSES, self.extensions, roots=self._roots())
        say_left_out(found.left_out, root)
        if found.empty:
            say(f'no image in {len(found.empty)} class folders of {root}: {listed(found.empty)}')
        self.folder_to_idx = found.numbers
        if self.CLASSES is None:
            self._metainfo['classes'] = tuple(map(same_name, found.numbers))
        else:
            self._say_classes(found.numbers, root)
        return found.images

    def _say_classes(self, numbers: dict[str, int], root: str) -> None:
        """Say which classes have no folder, or that folders were numbered by place."""
        names = set(map(same_name, numbers))
        if names.isdisjoint(self.CLASSES):
            pairs = [
                f'{name} is {number} ({self.CLASSES[number]})' for name, number in numbers.items()
            ]
            say(
                f'no folder of {root} has the name of a class, so they are numbered in order: '
                f'{", ".join(pairs[:3])}{", ..." if len(pairs) > 3 else ""}',
                logging.INFO,
            )
        elif len(names) < len(self.CLASSES):
            missing = [name for name in self.CLASSES if name not in names]
            say(f'{root} has no folder of {len(missing)} classes: {listed(missing)}')


@DATASETS.register_module()
class CustomDataset(ImageFolderMixin):
    """MMPretrain's ``CustomDataset`` with the rules of :class:`ImageFolderMixin`.

    Args:
        data_root: Folder of ``data_prefix`` and ``ann_file``.
        data_prefix: Folder of the images.
        ann_file: List of the images; '' for all in the folder.
        with_label: Whether the list has labels, or each folder is a class.
        extensions: What images end with.
        metainfo: What is known of the data, such as ``classes``.
        lazy_init: Whether to load the list later.
        allow_links: Whether lines of the list and links may lead to images outside ``data_root``
            and ``data_prefix``. These folders themselves may be links.
        **kwargs: For mmpretrain's ``BaseDataset`` (``pipeline``, ``classes`` ...).

    Raises:
        ValueError: If the folder, the list or the class names are wrong, in one line.
    """

    def __init__(
        self,
        data_root: str = '',
        data_prefix: str | dict = '',
        ann_file: str = '',
        with_label: bool = True,
        extensions: Sequence[str] = EXTENSIONS,
        metainfo: dict | None = None,
        lazy_init: bool = False,
        allow_links: bool = False,
        **kwargs: Any,
    ) -> None:
        self.allow_links = allow_links
        if not (ann_file or data_prefix or data_root):
            raise ValueError('CustomDataset needs data_root, data_prefix or ann_file')

        super().__init__(
            data_root=data_root,
            data_prefix=data_prefix,
            ann_file=ann_file,
            with_label=with_label,
            extensions=extensions,
            metainfo=metainfo,
            lazy_init=lazy_init,
            **kwargs,
        )


@DATASETS.register_module()
class ImageNet(ImageFolderMixin, mmpretrain.datasets.ImageNet):
    """MMPretrain's ``ImageNet`` with the rules of :class:`ImageFolderMixin`.

    Args:
        data_root: Folder of ``data_prefix`` and ``ann_file``.
        split: 'train', 'val' or 'test': the folder and, if there is one, the list of that name.
        data_prefix: Folder of the images.
        ann_file: List of the images; '' for all in the folder.
        metainfo: What is known of the data, such as ``classes``.
        allow_links: See :class:`CustomDataset`.
        **kwargs: For :class:`CustomDataset`.

    Raises:
        ValueError: If there is no such split, or as :class:`CustomDataset`.
    """

    IMG_EXTENSIONS = EXTENSIONS

    def __init__(
        self,
        data_root: str = '',
        split: str = '',
        data_prefix: str | dict = '',
        ann_file: str = '',
        metainfo: dict | None = None,
        allow_links: bool = False,
        **kwargs: Any,
    ) -> None:
        self.allow_links = allow_links
        if split and split not in SPLITS:
            raise ValueError(f'ImageNet: split must be one of {", ".join(SPLITS)}, got {split!r}')
        if not (data_root or data_prefix or ann_file or split):
            raise ValueError('ImageNet needs data_root, data_prefix or ann_file')

        super().__init__(
            data_root=data_root,
            split=split,
            data_prefix=data_prefix,
            ann_file=ann_file,
            metainfo=metainfo,
            **kwargs,
        )
