"""The work of tools/make_split.py."""
import argparse
import hashlib
import json
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import Progress

from mmsemiloc.datasets.image_listing import Listing, list_folder_cached, read_list
from mmsemiloc.datasets.splits import draw_splits
from mmsemiloc.study.tables import Table


def find_listed(file: Path, paths: list[str]) -> np.ndarray:
    """Indices of the images that a file names, by their path or by their file name.

    Raises:
        ValueError: With the number of the line, if there is no such image, or several have that name, or it comes twice.
    """
    by_path = {path: i for i, path in enumerate(paths)}
    by_name: dict[str, list[int]] = {}
    for i, path in enumerate(paths):
        by_name.setdefault(path.rpartition('/')[2], []).append(i)
    found: dict[int, None] = {}
    for number, line in enumerate(file.read_text(encoding='utf-8').splitlines(), 1):
        name = line.strip()
        matches = [by_path[name]] if name in by_path else by_name.get(name, [])
        if len(matches) != 1 or matches[0] in found:
            problem = 'comes twice' if len(matches) == 1 else f'names {len(matches)} images'
            raise ValueError(f'{file}, line {number}: {name!r} {problem}')
        found[matches[0]] = None
    return np.fromiter(found, np.int64, len(found))


def to_number(text: str, total: int, taken: int = 0) -> int:
    """Images that an argument asks for; ``taken`` ones are not in the rest."""
    if text == 'rest':
        return total - taken
    return round(total * float(text[:-1]) / 100) if text.endswith('%') else int(text)


def read_source(args: argparse.Namespace, console: Console) -> Listing:
    """The images, with a progress bar while folders are listed."""
    if args.source.is_file():
        return read_list(args.source)
    cache = args.out / 'listing.txt'
    if args.refresh:
        cache.unlink(missing_ok=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task('listing class folders', total=None)
        return list_folder_cached(args.source, cache, lambda done, total: progress.update(task, completed=done, total=total))


def write_lines(file: Path, lines: list[str]) -> dict:
    """Write a text file; its number of lines and SHA-256."""
    text = ''.join(f'{line}\n' for line in lines).encode()
    file.write_bytes(text)
    return dict(lines=len(lines), sha256=hashlib.sha256(text).hexdigest())


def write_splits(args: argparse.Namespace, listing: Listing, labeled: dict[int, np.ndarray],
                 unlabeled: dict[int, np.ndarray]) -> Table:
    """Write the lists and the manifest; a table of them."""
    args.out.mkdir(parents=True, exist_ok=True)
    files = {'classes.txt': write_lines(args.out / 'classes.txt', listing.classes)}
    rows = []
    for kind, sets in (('labeled', labeled), ('unlabeled', unlabeled)):
        for number, indices in sets.items():
            name = f'{kind}_{number}.txt'
            lines = [f'{listing.paths[i]} {listing.labels[i]}' if kind == 'labeled' else listing.paths[i] for i in indices]
            counts = np.bincount(listing.labels[indices], minlength=len(listing.classes))
            files[name] = {**write_lines(args.out / name, lines), 'images_per_class': counts.tolist()}
            rows.append([name, str(number), f'{counts.min()} to {counts.max()}', files[name]['sha256'][:12]])
    manifest = dict(source=str(args.source), images=len(listing.paths), seed=args.seed, balance=args.balance,
                    labeled_list=args.labeled_list and str(args.labeled_list), files=files)
    (args.out / 'manifest.json').write_text(json.dumps(manifest, indent=1), encoding='utf-8')
    return Table(f'{len(listing.paths)} images of {len(listing.classes)} classes',
                 ['list', 'images', 'of each class', 'SHA-256'], rows)


def run(args: argparse.Namespace) -> int:
    """Choose images, and write their lists."""
    console = Console()
    listing = read_source(args, console)
    total = len(listing.paths)
    given = find_listed(args.labeled_list, listing.paths) if args.labeled_list else None
    sizes = [to_number(text, total) for text in args.labeled] if given is None else [len(given)]
    rest = [to_number(text, total, max(sizes)) for text in args.unlabeled]
    labeled, unlabeled = draw_splits(listing.labels, sizes, rest, args.seed, args.balance, given)
    console.print(write_splits(args, listing, labeled, unlabeled).to_rich())
    if listing.ignored:
        console.print(f'{listing.ignored} files are no images of a class (by their ending or place) and were left out.')
    return 0
