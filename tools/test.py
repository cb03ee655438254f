"""Test a checkpoint."""
import json
from pathlib import Path

from mmengine.evaluator import DumpResults

from _common import Parser, add_runner_arguments, build_runner, check_checkpoint, leave_group, load_config

SECTIONS = ('model', 'test_dataloader', 'test_cfg', 'test_evaluator')


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
    parser = make_parser()
    args = parser.parse_args()
    suffix = args.out.suffix if args.out else None
    if suffix not in (None, '.json', '.pkl'):
        parser.error(f'--out must end in .json (metrics) or .pkl (predictions), got {args.out}')
    with parser.one_line_errors():
        check_checkpoint(args.checkpoint)
        cfg = load_config(args, SECTIONS)
        cfg.load_from = args.checkpoint
        cfg.resume = False
        runner = build_runner(cfg)
    if suffix == '.pkl':
        runner.test_evaluator.metrics.append(DumpResults(out_file_path=str(args.out)))
    metrics = runner.test()
    if suffix == '.json' and runner.rank == 0:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps(metrics, indent=2, default=float) + '\n')


if __name__ == '__main__':
    main()
    leave_group()
