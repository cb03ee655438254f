"""Test a checkpoint."""
from pathlib import Path

from _cli import Parser, add_runner_arguments, run_command


def make_parser() -> Parser:
    """The arguments of this tool."""
    parser = Parser('Test a checkpoint with the metrics of its config.', 'python tools/test.py '
                    'configs/densenet_mel_nbel_loc.py work_dirs/densenet_mel_nbel_loc/epoch_90.pth --out metrics.json')
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file')
    add_runner_arguments(parser)
    parser.add_argument('--out', type=Path, metavar='FILE', help='write the metrics (.json) or all predictions (.pkl) to FILE')
    return parser


def main() -> None:
    """Run the tool."""
    run_command(make_parser(), 'test')


if __name__ == '__main__':
    main()
