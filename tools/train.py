"""Train a model."""
from mmengine.config import Config
from mmengine.device import get_device

from _common import Parser, add_runner_arguments, build_runner, check_checkpoint, enable_amp, leave_group, load_config

SECTIONS = ('model', 'train_dataloader', 'train_cfg', 'optim_wrapper')


def make_parser() -> Parser:
    """The arguments of this tool."""
    parser = Parser('Train a model.', 'python tools/train.py configs/densenet_mel_nbel_loc.py --amp '
                    '--cfg-options train_dataloader.num_workers=8')
    parser.add_argument('config', help='config file')
    add_runner_arguments(parser)
    parser.add_argument('--resume', nargs='?', const='auto', metavar='CHECKPOINT',
                        help='go on from CHECKPOINT, or from the newest one in the work dir')
    parser.add_argument('--amp', action='store_true', help='train in mixed precision')
    parser.add_argument('--seed', type=int, help='random seed')
    parser.add_argument('--deterministic', action='store_true', help='use deterministic algorithms only, which are slower')
    return parser


def set_resume(cfg: Config, resume: str | None) -> None:
    """Resume from the newest checkpoint ('auto'), from a file, or as the config says (None)."""
    if resume is None:
        return
    if resume != 'auto':
        check_checkpoint(resume)
    cfg.resume = True
    cfg.load_from = None if resume == 'auto' else resume


def main() -> None:
    """Run the tool."""
    parser = make_parser()
    args = parser.parse_args()
    with parser.one_line_errors():
        cfg = load_config(args, SECTIONS)
        set_resume(cfg, args.resume)
        if args.amp:
            enable_amp(cfg.optim_wrapper, get_device())
        if args.seed is not None:
            cfg.merge_from_dict({'randomness.seed': args.seed})
        if args.deterministic:
            cfg.merge_from_dict({'randomness.deterministic': True})
        runner = build_runner(cfg)
        # Runner.train() would begin with this: here, what is wrong with the data is reported like all wrong input.
        runner._train_loop = runner.build_train_loop(runner._train_loop)
    runner.train()


if __name__ == '__main__':
    main()
    leave_group()
