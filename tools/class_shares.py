"""Estimate the class shares of the unlabelled images by cross-validation."""

from pathlib import Path

from _cli import Parser, add_cfg_options, add_force, add_steps, positive, run_command

DESCRIPTION = """\
Estimate how often each class occurs among the unlabelled images, for NBEL's
prior. The config should train on the labelled images alone. It is trained once
per fold without a part of them, and predicts that part and the unlabelled
images, without augmentation:

  em    the most likely shares, by EM over predictions whose temperature fits
        the left-out labels (Saerens et al. 2002)
  bbse  the shares that explain how often each class is predicted, given how
        often each is taken for each other one (Lipton et al. 2018)

Both assume that only the shares differ between labelled and unlabelled images.
If the labelled images were drawn at random, their own counts are better:
prior='labeled'. Finished folds are read back."""


def make_parser() -> Parser:
    """The arguments of this tool."""
    parser = Parser(
        DESCRIPTION,
        'python tools/class_shares.py configs/digits/class_shares/digits_shares_ce.py '
        '--out work_dirs/shares.txt',
    )
    parser.add_argument('config', metavar='CONFIG', help='config file')
    parser.add_argument(
        '--out',
        type=Path,
        required=True,
        metavar='FILE',
        help='file of the shares, one number per line, which prior=FILE takes',
    )
    parser.add_argument(
        '--method',
        choices=('em', 'bbse'),
        default='em',
        help='the estimate that is written; both are printed (default: em)',
    )
    parser.add_argument(
        '--folds', type=positive, default=3, metavar='K', help='parts, at least 2 (default: 3)'
    )
    parser.add_argument(
        '--ridge',
        type=float,
        default=0.0,
        metavar='R',
        help='how much to draw bbse to the labelled shares (default: 0)',
    )
    parser.add_argument(
        '--csv', type=Path, metavar='FILE', help='write both estimates to FILE, one row per class'
    )
    add_steps(parser)
    parser.add_argument(
        '--threads', type=positive, default=1, metavar='N', help='CPU threads (default: 1)'
    )
    parser.add_argument(
        '--work-dir',
        type=Path,
        default=Path('work_dirs/class_shares'),
        metavar='DIR',
        help='folder of the runs (default: work_dirs/class_shares)',
    )
    add_force(parser)
    add_cfg_options(parser)
    return parser


def main() -> None:
    """Run the tool."""
    run_command(make_parser(), 'class_shares')


if __name__ == '__main__':
    main()
