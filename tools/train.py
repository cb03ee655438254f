"""Train a model."""

from _cli import Parser, add_runner_arguments, run_command


def make_parser() -> Parser:
    """The arguments of this tool."""
    parser = Parser(
        'Train a model.',
        'python tools/train.py configs/densenet_mel_nbel_loc.py --amp '
        '--cfg-options train_dataloader.num_workers=8',
    )
    parser.add_argument('config', help='config file')
    add_runner_arguments(parser)
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='CHECKPOINT',
        help='go on from CHECKPOINT, or from the newest whole one in the work dir',
    )
    parser.add_argument(
        '--force',
        action='store_true',
        help='with --resume, go on though the checkpoint is of another recipe; without, begin anew '
        'though there are checkpoints in the work dir, which are moved into a folder of their own',
    )
    parser.add_argument('--amp', action='store_true', help='train in mixed precision')
    parser.add_argument('--seed', type=int, help='random seed')
    parser.add_argument(
        '--deterministic',
        action='store_true',
        help='use deterministic algorithms only, which are slower',
    )
    return parser


def main() -> None:
    """Run the tool."""
    run_command(make_parser(), 'train')


if __name__ == '__main__':
    main()
