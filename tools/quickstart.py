"""Train on DigitScenes with and without the penalties, compare, and write a report."""

from pathlib import Path

from _cli import Parser, add_force, add_steps, run_command

DESCRIPTION = """\
Train a small DenseNet on DigitScenes (handwritten digits over photographs,
generated on the spot) twice: with cross-entropy on the few labelled images, and
with the full loss, which also learns from the unlabelled ones. Compare both on
the test split and write DIR/report.html. Finished runs are read back when the
command is given again."""


def make_parser() -> Parser:
    """The arguments of this tool."""
    parser = Parser(
        DESCRIPTION, 'python tools/quickstart.py --seed 1 --work-dir work_dirs/quickstart_seed1'
    )
    parser.add_argument(
        '--work-dir',
        type=Path,
        default=Path('work_dirs/quickstart'),
        metavar='DIR',
        help='folder of the report and the runs (default: work_dirs/quickstart)',
    )
    add_steps(parser)
    add_force(parser)
    parser.add_argument('--seed', type=int, default=0, help='random seed of all runs (default: 0)')
    parser.add_argument(
        '--extra',
        nargs='+',
        action='extend',
        default=[],
        metavar='CONFIG',
        help='more configs to train and compare, for example configs/digits/best.py',
    )
    parser.set_defaults(configs=Path(__file__).resolve().parents[1] / 'configs/digits')
    return parser


def main() -> None:
    """Run the tool."""
    run_command(make_parser(), 'quickstart')


if __name__ == '__main__':
    main()
