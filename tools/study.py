"""Train configs with several seeds and compare them."""

from pathlib import Path

from _cli import (
    KeyValues,
    Parser,
    add_cfg_options,
    add_runs,
    add_steps,
    add_tables,
    pair,
    run_command,
)

DESCRIPTION = """\
Train configs with several seeds and compare them: mean and sample standard
deviation over seeds, and the difference to the first config by seed, with the
95 % confidence interval of its mean (Student's t). Finished runs are read
back, so that a study that was stopped goes on; a run that was stopped starts
over. Choose hyperparameters with --split val, and look at --split test once,
at the end."""


def make_parser() -> Parser:
    """The arguments of this tool."""
    parser = Parser(
        DESCRIPTION,
        'python tools/study.py configs/digits/digits_ce.py configs/digits/digits_full.py '
        '--seeds 0 1 2 --jobs 2 --csv study.csv',
    )
    parser.add_argument(
        'configs', nargs='+', metavar='CONFIG', help='config files; the first one is the baseline'
    )
    parser.add_argument(
        '--pairs',
        nargs='+',
        type=pair,
        default=[],
        metavar='NAME:NAME',
        help=(
            'also show the first minus the second of these, by seed; a name is that of a config '
            'file without .py, as in the tables'
        ),
    )
    parser.add_argument(
        '--ceiling',
        metavar='NAME',
        help='config with all labels, to show how much of the gap in accuracy '
        'between the first config and this one each config closes',
    )
    parser.add_argument(
        '--split',
        choices=('val', 'test'),
        default='val',
        help='split of the results (default: val)',
    )
    add_steps(parser)
    add_runs(parser, 'work_dirs/study')
    add_tables(parser)
    parser.add_argument(
        '--plot', type=Path, metavar='FILE', help='draw the results of all seeds into FILE, a .png'
    )
    add_cfg_options(parser, 'every config')
    parser.add_argument(
        '--vary',
        nargs='+',
        action=KeyValues,
        metavar='KEY=VALUE,VALUE',
        help=(
            'train every config with each of these values of one key, or all combinations of '
            'several; the first ones are the baseline'
        ),
    )
    return parser


def main() -> None:
    """Run the tool."""
    run_command(make_parser(), 'study')


if __name__ == '__main__':
    main()
