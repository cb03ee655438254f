"""Draw the first batches of a config as the model sees them."""

from pathlib import Path

from _cli import Parser, add_cfg_options, positive, run_command

DESCRIPTION = """\
Draw the first batches of a config as the model sees them, after all
augmentation and with the normalisation undone: labelled images in a green frame
with their class, unlabelled ones in a grey frame. Views of an image stand side
by side, with the number of the image in the batch and 'weak' (the first view)
or 'strong'."""


def make_parser() -> Parser:
    """The arguments of this tool."""
    parser = Parser(
        DESCRIPTION, 'python tools/browse_batch.py configs/digits/digits_full.py --batches 2'
    )
    parser.add_argument('config', help='config file')
    parser.add_argument('--batches', type=positive, default=1, metavar='N', help='(default: 1)')
    parser.add_argument(
        '--images',
        type=positive,
        default=64,
        metavar='N',
        help='of each batch, each view counts (default: the first 64)',
    )
    parser.add_argument(
        '--out',
        type=Path,
        default=Path('batches'),
        metavar='DIR',
        help='folder of the pictures (default: batches)',
    )
    parser.add_argument('--seed', type=int, default=0, help='random seed (default: 0)')
    add_cfg_options(parser)
    return parser


def main() -> None:
    """Run the tool."""
    run_command(make_parser(), 'browse_batch')


if __name__ == '__main__':
    main()
