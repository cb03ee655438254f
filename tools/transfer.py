"""Fine-tune detectors, segmenters and classifiers from checkpoints, and compare them."""

import argparse
from pathlib import Path

from _cli import Parser, add_runs, add_tables, pair, run_command

DESCRIPTION = """\
Fine-tune each task from each checkpoint and from random weights, with several
seeds; print a table of the test metrics, and the differences to random weights
by seed. A task is a config of MMDetection, MMSegmentation or MMPretrain whose
model.backbone takes the checkpoint. The word digits stands for an example on
DigitScenes: it pre-trains with the losses of the paper and with self-supervised
peers (unless there are --checkpoints), and fine-tunes a detector and a
segmenter on images of several digits, or the tasks after it. Finished
runs are read back when the command is given again."""
RANDOM = 'random'  # name of the initialisation that is always there


def named_file(text: str) -> tuple[str, str]:
    """Type of an argument: NAME=FILE."""
    name, equals, file = text.partition('=')
    if not (name and equals and file) or name == RANDOM:
        raise argparse.ArgumentTypeError(
            f'expected NAME=FILE with a name other than {RANDOM}, got {text}'
        )
    return name, file


def make_parser() -> Parser:
    """The arguments of this tool."""
    parser = Parser(
        DESCRIPTION,
        'python tools/transfer.py configs/transfer/det/faster-rcnn_densenet161_fpn_1x_voc0712.py '
        '--checkpoints ce=work_dirs/ce.pth full=work_dirs/full.pth\n  python tools/transfer.py '
        'digits --jobs 2',
    )
    parser.add_argument(
        'tasks',
        nargs='+',
        metavar='TASK',
        help='config files; or digits, and its tasks if they are others',
    )
    parser.add_argument(
        '--checkpoints',
        nargs='+',
        type=named_file,
        default=[],
        metavar='NAME=FILE',
        help='names for tables, and files; {seed} in a file is replaced by the seed',
    )
    parser.add_argument(
        '--pairs',
        nargs='+',
        type=pair,
        default=[],
        metavar='NAME:NAME',
        help='also show the first minus the second of these initialisations, by seed',
    )
    add_runs(parser, 'work_dirs/transfer')
    add_tables(parser)
    parser.add_argument(
        '--quick',
        action='store_true',
        help='digits with fewer steps and images and one seed, to try things out',
    )
    parser.add_argument(
        '--html', type=Path, metavar='FILE', help='write the tables as a page to FILE'
    )
    parser.set_defaults(configs=Path(__file__).resolve().parents[1] / 'configs')
    return parser


def main() -> None:
    """Run the tool."""
    run_command(make_parser(), 'transfer')


if __name__ == '__main__':
    main()
