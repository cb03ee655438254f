"""Which photographs of one's own there are, and which of them have a label."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmsemiloc.datasets.listing.class_folders import list_classes
from mmsemiloc.datasets.listing.class_names import alike_name, check_class_names, listed, same_name
from mmsemiloc.datasets.listing.class_numbers import SPLITS
from mmsemiloc.datasets.listing.foreign import is_foreign
from mmsemiloc.datasets.listing.links import real_roots
from mmsemiloc.datasets.listing.trees import LeftOut
from mmsemiloc.few_labels.label_csv import HEADER, first_lines, match_rows, read_rows
from mmsemiloc.inference.image_files import images_below, leave_out_results

UNLABELED = ('unlabeled', 'unlabelled')  # folders beside those of the classes
LEAST = 2  # images per class: one to learn from, and one to test with

Say = Callable[[str], None]


@dataclass(frozen=True)
class Photos:
    """Photographs with and without labels.

    Attributes:
        classes: Names of the C classes, sorted.
        labeled: Files of the L labelled images.
        labels: Their classes (L,), int64 from 0 to C - 1.
        unlabeled: Files of the unlabelled images.
        notes: What was left out, in lines to print.
    """

    classes: tuple[str, ...]
    labeled: tuple[Path, ...]
    labels: np.ndarray
    unlabeled: tuple[Path, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Named:
    """Images with the name of their class, and images without."""

    labeled: Mapping[Path, str]
    unlabeled: Sequence[Path]


def read_photos(
    photos: Path | None,
    labels: Path | None = None,
    labeled: Path | None = None,
    unlabeled: Path | None = None,
    out: Path | None = None,
    *,
    allow_links: bool = False,
) -> Photos:
    """Find labelled and unlabelled images; none is opened.

    Args:
        photos: Folder of images: any folder with ``labels``; else one with a folder per class, in
            which images beside these folders, or in one named ``unlabeled``, have no label.
        labels: A csv file with the columns ``file`` (relative to ``photos``) and ``label``. Images
            that it does not name, or whose label is empty, are unlabelled.
        labeled: Instead of both, a folder that has a folder per class.
        unlabeled: A folder of further images without labels.
        out: Folder that results are written to; images in it are left out.
        allow_links: Whether links in the folders may lead out of them.

    Raises:
        ValueError: If there are no such files, they contradict each other, a link leaves the
            folders, or a class has fewer than two labelled images, which cross-validation needs.
    """
    root = check_choice(photos, labels, labeled)
    for folder in (root, unlabeled):
        if folder is not None:
            check_folder(folder, out)

    # A file says which images have labels, or folders do.
    notes: list[str] = []
    roots = None if allow_links else real_roots(str(root), str(unlabeled or ''))
    if labels is None:
        named = from_folders(root, unlabeled, out, notes.append, roots)
    else:
        named = from_csv(root, labels, out, notes.append, roots)
    classes = sorted({*named.labeled.values()})
    check_counts(named.labeled, str(labels or root))

    # Images of another folder, none twice.
    rest = list(named.unlabeled)
    if unlabeled is not None:
        more = images_below(unlabeled, out, notes.append, roots)
        rest += new_images(named, root, more, unlabeled)
    if not rest:
        notes.append(
            '0 unlabelled images: the unsupervised terms of the loss see the labelled images alone'
        )

    numbers = {name: number for number, name in enumerate(classes)}
    targets = np.array([numbers[name] for name in named.labeled.values()], np.int64)
    return Photos(tuple(classes), tuple(named.labeled), targets, tuple(rest), tuple(notes))


def check_choice(photos: Path | None, labels: Path | None, labeled: Path | None) -> Path:
    """The folder of the labelled images, if they are given in one way only.

    Raises:
        ValueError: If there is none, or more than one.
    """
    if labels is not None and labeled is not None:
        raise ValueError(
            f'labels come from --labels {labels} or from the folders of --labeled {labeled}, not '
            'from both: leave one out'
        )
    if photos is not None and labeled is not None:
        raise ValueError(
            f'give {photos} or --labeled {labeled}, not both (unlabelled images: --unlabeled DIR)'
        )
    if photos is None and labels is not None:
        raise ValueError(f'the files in {labels} are relative to a folder: give PHOTOS, too')

    root = photos if photos is not None else labeled
    if root is None:
        raise ValueError(
            'no labelled images: give PHOTOS --labels CSV, PHOTOS with a folder per class, or '
            '--labeled DIR --unlabeled DIR'
        )
    return root


def check_folder(folder: Path, out: Path | None) -> None:
    """Refuse what is not a folder, or is that of the results."""
    if not folder.is_dir():
        raise ValueError(
            f'{folder} is a file, not a folder of images'
            if folder.exists()
            else f'no such folder: {folder}'
        )
    if out is not None and out.resolve() == folder.resolve():
        raise ValueError(
            f'{out} is both the folder of the images and that of the results: choose another '
            '--work-dir'
        )


def from_csv(
    photos: Path, labels: Path, out: Path | None, say: Say, roots: Sequence[str] | None = None
) -> Named:
    """Images of a folder with labels of a csv file; in the order of their paths."""
    check_csv(photos, labels)
    rows = read_rows(labels)
    check_labels(first_lines(rows), labels)

    below = images_below(photos, out, say, roots)
    files = {file.relative_to(photos).as_posix(): file for file in below}
    found = match_rows(rows, list(files), photos, labels)

    # Labels do not depend on the order of the rows.
    names = {path: found[path].label if path in found else '' for path in files}
    return Named(
        {files[path]: same_name(name) for path, name in names.items() if name},
        [files[path] for path, name in names.items() if not name],
    )


def check_csv(photos: Path, labels: Path) -> None:
    """Refuse a file of labels that is not there."""
    if not labels.exists():
        inside = photos / labels
        hint = f'did you mean {inside}?' if inside.is_file() else f'write one with a line {HEADER}'
        raise ValueError(f'no such file of labels: {labels}; {hint}')


def check_labels(lines: Mapping[str, int], file: Path) -> None:
    """Refuse labels that a person could not tell apart.

    Args:
        lines: First line of each label.
        file: The csv file, for messages.
    """
    names = sorted(lines)
    try:
        check_class_names(names, str(file))
    except ValueError as error:
        alike: dict[str, list[str]] = {}
        for name in names:
            alike.setdefault(alike_name(name), []).append(name)
        pair = next(same for same in alike.values() if len(same) > 1)
        places = ' and '.join(str(lines[name]) for name in sorted(pair, key=lines.__getitem__)[:2])
        raise ValueError(f'{error} (lines {places}): write them alike') from error


def from_folders(
    root: Path,
    unlabeled: Path | None,
    out: Path | None,
    say: Say,
    roots: Sequence[str] | None = None,
) -> Named:
    """Images of a folder that has a folder per class, and those beside these folders."""
    without = check_class_folders(root, unlabeled, out)
    found = list_classes(root, roots=roots)
    for line in LeftOut(found.left_out.foreign, found.left_out.endings).lines(root):
        say(line)

    # Images beside the folders of classes come in the order of their names, too.
    loose = [root / path for path in sorted(found.left_out.loose)]
    files = [root / path for path, _ in found.images] + loose
    kept = leave_out_results(files, root, out, say)
    folders = {file: folder_of(file, root) for file in kept}

    named = [name for name in found.numbers if name not in without]
    classes = filled_classes(named, {*folders.values()}, root, out)
    return Named(
        {file: same_name(name) for file, name in folders.items() if name in classes},
        [file for file, name in folders.items() if name not in classes],
    )


def filled_classes(
    named: Sequence[str], filled: set[str], root: Path, out: Path | None
) -> set[str]:
    """Folders that are classes, without the one that holds only results.

    Args:
        named: Folders that could be classes.
        filled: Folders that have images, without results.
        root: The folder that they are in.
        out: Folder of the results.

    Raises:
        ValueError: If a class has no image, or the results lie in it.
    """
    results = results_folder(root, out)
    if results in named and results in filled:
        raise ValueError(
            f'--work-dir {out} is in {root / results}, which has other images, as a class has: '
            'choose another --work-dir'
        )

    classes = {*named} - {results}
    empty = sorted(classes - filled)
    if empty:
        raise ValueError(f'class folder {root / empty[0]} has no image: fill it or delete it')
    return classes


def folder_of(file: Path, root: Path) -> str:
    """Name of the folder of the first level that a file is in; '' if it is in none."""
    parts = file.relative_to(root).parts
    return parts[0] if len(parts) > 1 else ''


def check_class_folders(root: Path, unlabeled: Path | None, out: Path | None) -> set[str]:
    """Folders of the first level that are not classes, as their images have no label.

    Raises:
        ValueError: If no folder is a class, or ``unlabeled`` is within one.
    """
    folders = sorted(e.name for e in root.iterdir() if not is_foreign(e.name) and e.is_dir())
    inner = None if unlabeled is None else place_in(unlabeled, root)
    without = {name for name in folders if alike_name(name) in UNLABELED or (name,) == inner}

    results = results_folder(root, out)
    classes = [name for name in folders if name not in without and name != results]
    if not classes:
        tables = sorted(root.glob('*.csv'))
        raise ValueError(
            f'{root} has no folder for each class in it: give --labels '
            f'{tables[0] if tables else "CSV"} (a file with the columns {HEADER}), or sort the '
            'labelled images into folders'
        )
    if all(alike_name(name) in SPLITS for name in classes):
        raise ValueError(
            f'the folders of {root} are {listed(folders)}, which are not classes: give the folder '
            'that has one folder per class (--labeled DIR --unlabeled DIR), or --labels CSV'
        )
    if inner and inner[0] in classes:
        raise ValueError(
            f'--unlabeled {unlabeled} is in the class folder {root / inner[0]}: move it out'
        )
    return without


def results_folder(root: Path, out: Path | None) -> str:
    """Name of the folder of the first level that the results are in; '' if they are elsewhere."""
    place = None if out is None else place_in(out, root)
    return place[0] if place else ''


def place_in(folder: Path, root: Path) -> tuple[str, ...] | None:
    """Parts of the path from ``root`` to a folder in it; None if it is elsewhere."""
    inner, outer = folder.resolve(), root.resolve()
    return inner.relative_to(outer).parts if inner.is_relative_to(outer) else None


def new_images(named: Named, root: Path, more: Sequence[Path], folder: Path) -> Sequence[Path]:
    """Those of the images of another folder that are not known already."""
    if place_in(folder, root) is None and place_in(root, folder) is None:
        return more

    known = {file.resolve() for file in (*named.labeled, *named.unlabeled)}
    return [file for file in more if file.resolve() not in known]


def check_counts(labeled: Mapping[Path, str], where: str) -> None:
    """Refuse labels that no classifier can learn from and be tested with.

    Raises:
        ValueError: If there is only one class, or a class has fewer than ``LEAST`` images.
    """
    names, counts = np.unique(list(labeled.values()), return_counts=True)
    if len(names) < 2:
        only = f'only 1 class, {str(names[0])!r}' if len(names) else 'no label'
        raise ValueError(f'{where} has {only}: label some images of at least 2 classes')

    few = [str(name) for name in names[counts < LEAST]]
    if few:
        raise ValueError(
            f'{where}: only 1 labelled image of {listed(few)} ({len(labeled)} labels in all): '
            f'cross-validation needs at least {LEAST} per class: add a label, or leave the class '
            'out'
        )
