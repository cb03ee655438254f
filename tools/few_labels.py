"""Compare methods for few labels on frozen features, over many draws of the labels."""

from pathlib import Path

from _cli import Parser, positive, run_command

DESCRIPTION = """\
Compare the penalties with other methods where there are few labels and a
pretrained, frozen backbone, EfficientNet-Lite0. Each draw has other training
images and labels. Each method has six settings, of which cross-validation on
the labels of the draw chooses one. SET is one of
- fashion_mnist  Debian's package dataset-fashion-mnist
- elpv           pip install elpv-dataset (CC BY-NC-SA 4.0)
- elpv_random    the same, with labels drawn at random and not class by class
Writes to the work dir:
results.csv      a row per draw and method
differences.csv  differences with intervals over draws and test images
tables.md        both as tables
accuracy.png     means by labels per class
Draws that are there already are read back, so a comparison can grow."""


def make_parser() -> Parser:
    """The arguments of this tool."""
    parser = Parser(DESCRIPTION, 'python tools/few_labels.py fashion_mnist --draws 20 --jobs 2')
    parser.add_argument(
        'images', metavar='SET', choices=('fashion_mnist', 'elpv', 'elpv_random'), help='images'
    )
    parser.add_argument(
        '--labels',
        nargs='+',
        type=positive,
        metavar='N',
        help='labels per class (default: those of the set: 1 2 4 8 16; ELPV: 2 5 10 25)',
    )
    parser.add_argument(
        '--draws', type=positive, default=20, metavar='N', help='draws of labels (default: 20)'
    )
    parser.add_argument(
        '--jobs', type=positive, default=1, metavar='N', help='draws side by side (default: 1)'
    )
    parser.add_argument(
        '--maps',
        action='store_true',
        help='instead: how concentrated the maps are with and without the locality penalty, for '
        'one number of labels; writes maps.csv, maps.md and a picture',
    )
    parser.add_argument(
        '--data-root', metavar='DIR', help="folder of the images (default: the package's)"
    )
    parser.add_argument(
        '--work-dir',
        type=Path,
        metavar='DIR',
        help='folder of the results (default: work_dirs/few_labels/SET)',
    )
    parser.add_argument(
        '--cache',
        type=Path,
        metavar='DIR',
        help='folder of the features (default: ~/.cache/mmsemiloc/features)',
    )
    return parser


def main() -> None:
    """Run the tool."""
    run_command(make_parser(), 'few_labels')


if __name__ == '__main__':
    main()
