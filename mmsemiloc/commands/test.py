"""The work of tools/test.py."""
import argparse
import json

from mmengine.evaluator import DumpResults

from mmsemiloc.commands.common import build_runner, check_checkpoint, leave_group, runner_config

SECTIONS = ('model', 'test_dataloader', 'test_cfg', 'test_evaluator')


def run(args: argparse.Namespace) -> int:
    """Test."""
    suffix = args.out.suffix if args.out else None
    if suffix not in (None, '.json', '.pkl'):
        raise ValueError(f'--out must end in .json (metrics) or .pkl (predictions), got {args.out}')
    check_checkpoint(args.checkpoint)
    cfg = runner_config(args, SECTIONS)
    cfg.load_from = args.checkpoint
    cfg.resume = False
    runner = build_runner(cfg)
    if suffix == '.pkl':
        runner.test_evaluator.metrics.append(DumpResults(out_file_path=str(args.out)))
    metrics = runner.test()
    if suffix == '.json' and runner.rank == 0:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps(metrics, indent=2, default=float) + '\n')
    leave_group()
    return 0
