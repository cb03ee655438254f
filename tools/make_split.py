"""Choose labelled and unlabelled images, and write their lists."""
import argparse
import hashlib
import json
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import Progress

from _cli import Parser
from mmsemiloc.datasets.image_listing import Listing, list_folder_cached, read_list
from mmsemiloc.datasets.splits import BALANCES, draw_splits
from mmsemiloc.study.tables import Table

DESCRIPTION = """\
Choose labelled and unlabelled images of a folder that has one folder a class (as ImageNet's train/), or of a list file with
lines 'path label'. Writes into DIR labeled_N.txt (lines 'path label'), unlabeled_N.txt (lines 'path'), classes.txt, and
manifest.json with the seed, the counts of each class and the files' SHA-256. No image is in lists of both kinds, larger
lists hold the smaller ones, and the same seed gives the same lists. The listing of a folder is kept in DIR/listing.txt."""


def size(text: str) -> str:
    """Type of an argument: a whole number of at least 1, or a percentage."""
    number = text.removesuffix('%')
    try:
        valid = 0 < float(number) <= 100 if text.endswith('%') else int(number) >= 1
    except ValueError:
        valid = False
    if not valid:
        raise argparse.ArgumentTypeError(f'expected a number of images such as 64000, or a share such as 10%, got {text}')
    return text


def seed(text: str) -> int:
    """Type of an argument: a whole number of at least 0."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f'expected a whole number of at least 0, got {text}')
    return int(text)


def make_parser() -> Parser:
    """The arguments of this tool."""
    parser = Parser(DESCRIPTION, 'python tools/make_split.py data/imagenet/train --out data/imagenet/meta '
                    '--unlabeled 130000 200000 250000 400000')
    parser.add_argument('source', type=Path, metavar='SOURCE', help='folder of class folders, or list file')
    parser.add_argument('--out', type=Path, required=True, metavar='DIR', help='folder of the lists')
    parser.add_argument('--labeled', nargs='+', type=size, default=['64000'], metavar='N',
                        help='images, or a share of all as 10%% (default: 64000)')
    parser.add_argument('--unlabeled', nargs='+', type=lambda text: text if text == 'rest' else size(text),
                        default=['200000'], metavar='N', help="images, a share of all, or 'rest' (default: 200000)")
    parser.add_argument('--labeled-list', type=Path, metavar='FILE',
                        help='take these labelled images (a path or file name a line, as the published 1%% and 10%% lists)')
    parser.add_argument('--balance', choices=BALANCES, default='classes',
                        help='equally many images of each class, or in proportion to all (default: classes)')
    parser.add_argument('--seed', type=seed, default=0, help='(default: 0)')
    parser.add_argument('--refresh', action='store_true', help='list the folder again')
    return parser


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


def main() -> None:
    """Run the tool."""
    parser = make_parser()
    args = parser.parse_args()
    console = Console()
    with parser.one_line_errors():
        listing = read_source(args, console)
        total = len(listing.paths)
        given = find_listed(args.labeled_list, listing.paths) if args.labeled_list else None
        sizes = [to_number(text, total) for text in args.labeled] if given is None else [len(given)]
        rest = [to_number(text, total, max(sizes)) for text in args.unlabeled]
        labeled, unlabeled = draw_splits(listing.labels, sizes, rest, args.seed, args.balance, given)
        table = write_splits(args, listing, labeled, unlabeled)
    console.print(table.to_rich())
    if listing.ignored:
        console.print(f'{listing.ignored} files are no images of a class (by their ending or place) and were left out.')


if __name__ == '__main__':
    main()
