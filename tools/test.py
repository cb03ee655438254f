"""Test a checkpoint."""

from pathlib import Path

from _cli import Parser, add_runner_arguments, positive, run_command


def make_parser() -> Parser:
    """The arguments of this tool."""
    parser = Parser(
        'Test a checkpoint with the metrics of its config.',
        'python tools/test.py configs/densenet_mel_nbel_loc.py '
        'work_dirs/densenet_mel_nbel_loc/epoch_90.pth --out metrics.json',
    )
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file')
    add_runner_arguments(parser)
    parser.add_argument(
        '--out',
        type=Path,
        metavar='FILE',
        help='write the metrics (.json) or all predictions (.pkl) to FILE',
    )
    parser.add_argument(
        '--tta',
        action='store_true',
        help="test-time augmentation: the config's tta_model and tta_pipeline, else mirror images",
    )
    parser.add_argument('--show-dir', type=Path, metavar='DIR', help='draw predictions into DIR')
    parser.add_argument(
        '--interval',
        type=positive,
        default=1,
        metavar='N',
        help='draw every N-th image (default: 1)',
    )
    return parser


def main() -> None:
    """Run the tool."""
    run_command(make_parser(), 'test')


if __name__ == '__main__':
    main()
