"""The work of tools/make_split.py."""

import argparse
import hashlib
import posixpath
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import Progress

from mmsemiloc.datasets.listing.cache import list_folder_cached
from mmsemiloc.datasets.listing.class_folders import Listing, read_list
from mmsemiloc.datasets.listing.class_names import listed
from mmsemiloc.datasets.listing.list_files import find_line, parse_list, to_line
from mmsemiloc.datasets.splits import draw_splits
from mmsemiloc.files import write_json, write_whole
from mmsemiloc.study.tables import Table, print_table


def find_listed(file: Path, paths: list[str]) -> np.ndarray:
    """Indices of the images that a file names, by their path or by their file name.

    Raises:
        ValueError: With the number of the line, if there is no such image, or several have that
            name, or it comes twice; see also :func:`parse_list`.
    """
    lines = parse_list(file, labeled=False, of='paths or names of images')
    by_path = {path: i for i, path in enumerate(paths)}
    by_name: dict[str, list[int]] = {}
    for i, path in enumerate(paths):
        by_name.setdefault(path.rpartition('/')[2], []).append(i)

    # A line is a path or, where only one image has it, a name; the order is that of the lines.
    found: dict[int, None] = {}
    for line in lines:
        name = posixpath.normpath(line)
        matches = [by_path[name]] if name in by_path else by_name.get(name, [])
        if len(matches) != 1 or matches[0] in found:
            problem = 'comes twice' if len(matches) == 1 else f'names {len(matches)} images'
            number = find_line(file, line, labeled=False)
            raise ValueError(f'{file}, line {number}: {line!r} {problem} of the source')
        found[matches[0]] = None
    return np.fromiter(found, np.int64, len(found))


def to_number(text: str, total: int, taken: int = 0) -> int:
    """Images that an argument asks for; ``taken`` ones are not in the rest.

    Raises:
        ValueError: If a share is less than half an image.
    """
    if text == 'rest':
        return total - taken
    if not text.endswith('%'):
        return int(text)
    number = round(total * float(text[:-1]) / 100)
    if not number:
        raise ValueError(f'{text} of {total} images is not a single image: give a larger share')
    return number


def read_source(args: argparse.Namespace, console: Console) -> Listing:
    """The images, with a progress bar while folders are listed."""
    if args.source.is_file():
        return read_list(args.source)

    if args.source.resolve() in (args.out.resolve(), *args.out.resolve().parents):
        raise ValueError(
            f'--out {args.out} is in the folder of images {args.source}, '
            'where it would be taken for a class: '
            'choose a folder beside it'
        )

    # Listing a million images takes minutes: what has been listed is read back.
    cache = args.out / 'listing.txt'
    if args.refresh:
        cache.unlink(missing_ok=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task('listing class folders', total=None)
        return list_folder_cached(
            args.source,
            cache,
            lambda done, total: progress.update(task, completed=done, total=total),
        )


def write_lines(file: Path, lines: list[str]) -> dict:
    """Write a text file; its number of lines and SHA-256."""
    text = ''.join(f'{line}\n' for line in lines).encode()
    write_whole(file, text)
    return dict(lines=len(lines), sha256=hashlib.sha256(text).hexdigest())


def write_splits(
    args: argparse.Namespace,
    listing: Listing,
    labeled: dict[int, np.ndarray],
    unlabeled: dict[int, np.ndarray],
) -> Table:
    """Write the lists and the manifest; a table of them."""
    args.out.mkdir(parents=True, exist_ok=True)
    files = {'classes.txt': write_lines(args.out / 'classes.txt', listing.classes)}
    rows = []

    for kind, sets in (('labeled', labeled), ('unlabeled', unlabeled)):
        for number, indices in sets.items():
            name = f'{kind}_{number}.txt'
            lines = [
                to_line(listing.paths[i], listing.labels[i] if kind == 'labeled' else None)
                for i in indices
            ]
            counts = np.bincount(listing.labels[indices], minlength=len(listing.classes))
            files[name] = {
                **write_lines(args.out / name, lines),
                'images_per_class': counts.tolist(),
            }
            rows.append(
                [name, str(number), f'{counts.min()} to {counts.max()}', files[name]['sha256'][:12]]
            )

    # What it takes to make the same lists again, and to see whether they are the same.
    manifest = dict(
        source=str(args.source),
        images=len(listing.paths),
        seed=args.seed,
        balance=args.balance,
        labeled_list=args.labeled_list and str(args.labeled_list),
        files=files,
    )
    write_json(args.out / 'manifest.json', manifest)
    return Table(
        f'{len(listing.paths)} images of {len(listing.classes)} classes',
        ['list', 'images', 'of each class', 'SHA-256'],
        rows,
    )


def notes(args: argparse.Namespace, listing: Listing, labeled: dict[int, np.ndarray]) -> list[str]:
    """What to know of the lists: what was left out, read back, and has no labelled image."""
    lines = list(listing.left_out)
    if listing.read_back:
        lines.append(
            f'The listing of {args.source} was read back from {args.out / "listing.txt"}: no '
            'folder in it has changed.'
        )

    for number, indices in labeled.items():
        missing = np.setdiff1d(np.arange(len(listing.classes)), listing.labels[indices])
        if len(missing):
            lines.append(
                f'labeled_{number}.txt has no image of {len(missing)} of {len(listing.classes)} '
                f'classes, which cannot be learned: {listed([listing.classes[i] for i in missing])}'
            )
    return lines


def run(args: argparse.Namespace) -> int:
    """Choose images, and write their lists."""
    console = Console()
    listing = read_source(args, console)

    # The sizes of the lists, and which images are in them.
    total = len(listing.paths)
    given = find_listed(args.labeled_list, listing.paths) if args.labeled_list else None
    sizes = [to_number(text, total) for text in args.labeled] if given is None else [len(given)]
    rest = [to_number(text, total, max(sizes)) for text in args.unlabeled]
    labeled, unlabeled = draw_splits(listing.labels, sizes, rest, args.seed, args.balance, given)

    print_table(write_splits(args, listing, labeled, unlabeled), console)
    for line in notes(args, listing, labeled):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    return 0
