"""Choose labelled and unlabelled images, and write their lists."""

import argparse
from pathlib import Path

from _cli import Parser, run_command

DESCRIPTION = """\
Choose labelled and unlabelled images of a folder that has one folder per class (as ImageNet's
train/), or of a list file with lines 'path label'. Writes into DIR:

  labeled_N.txt    lines 'path label'
  unlabeled_N.txt  lines 'path'
  classes.txt      the names of the classes
  manifest.json    the seed, the counts of each class and the files' SHA-256
  listing.txt      the listing of the folder, which the next call reads back

No image is in lists of both kinds, larger lists hold the smaller ones, and the same seed gives the
same lists."""


def size(text: str) -> str:
    """Type of an argument: a whole number of at least 1, or a percentage."""
    number = text.removesuffix('%')
    try:
        valid = 0 < float(number) <= 100 if text.endswith('%') else int(number) >= 1
    except ValueError:
        valid = False
    if not valid:
        raise argparse.ArgumentTypeError(
            f'expected a number of images such as 64000, or a share such as 10%, got {text}'
        )
    return text


def seed(text: str) -> int:
    """Type of an argument: a whole number of at least 0."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f'expected a whole number of at least 0, got {text}')
    return int(text)


def add_choice_arguments(parser: Parser) -> None:
    """Add the arguments that say which images are drawn."""
    parser.add_argument(
        '--labeled',
        nargs='+',
        type=size,
        default=['64000'],
        metavar='N',
        help='images, or a share of all as 10%% (default: 64000)',
    )
    parser.add_argument(
        '--unlabeled',
        nargs='+',
        type=lambda text: text if text == 'rest' else size(text),
        default=['200000'],
        metavar='N',
        help="images, a share of all, or 'rest' (default: 200000)",
    )
    parser.add_argument(
        '--labeled-list',
        type=Path,
        metavar='FILE',
        help=(
            'take these labelled images (one path or file name per line, as in the published '
            '1%% and 10%% lists)'
        ),
    )
    parser.add_argument(
        '--balance',
        choices=('classes', 'proportional'),
        default='classes',
        help='equally many images of each class, or in proportion to all (default: classes)',
    )
    parser.add_argument('--seed', type=seed, default=0, help='(default: 0)')


def make_parser() -> Parser:
    """The arguments of this tool."""
    parser = Parser(
        DESCRIPTION,
        'python tools/make_split.py data/imagenet/train --out data/imagenet/meta '
        '--unlabeled 130000 200000 250000 400000',
    )
    parser.add_argument(
        'source', type=Path, metavar='SOURCE', help='folder of class folders, or list file'
    )
    parser.add_argument(
        '--out', type=Path, required=True, metavar='DIR', help='folder of the lists'
    )
    add_choice_arguments(parser)
    parser.add_argument('--refresh', action='store_true', help='list the folder again')
    return parser


def main() -> None:
    """Run the tool."""
    run_command(make_parser(), 'make_split')


if __name__ == '__main__':
    main()
