"""The work of tools/test.py."""

import argparse
import copy
import json
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.evaluator import DumpResults

from mmsemiloc.commands.common import check_checkpoint, check_writable, leave_group, runner_config
from mmsemiloc.engine.build import build_runner
from mmsemiloc.files import write_whole

SECTIONS = ('model', 'test_dataloader', 'test_cfg', 'test_evaluator')


def use_augmentation(cfg: Config) -> None:
    """Test with augmentation: the config's ``tta_*``, or else as MMPretrain does.

    MMPretrain takes the mean prediction of each image and its mirror image.
    """
    pipeline = cfg.test_dataloader.dataset.pipeline
    if 'tta_pipeline' not in cfg:
        flips = [dict(type='RandomFlip', prob=share) for share in (1.0, 0.0)]
        cfg.tta_pipeline = [
            *copy.deepcopy(pipeline[:-1]),
            dict(type='TestTimeAug', transforms=[flips, [copy.deepcopy(pipeline[-1])]]),
        ]

    cfg.setdefault('tta_model', dict(type='mmpretrain.AverageClsScoreTTA'))
    cfg.model = ConfigDict(**cfg.tta_model, module=cfg.model)
    cfg.test_dataloader.dataset.pipeline = cfg.tta_pipeline


def draw_predictions(cfg: Config, folder: Path, interval: int) -> None:
    """Let the run draw every so many predictions into a folder."""
    cfg.setdefault('default_hooks', ConfigDict())
    cfg.default_hooks.visualization = dict(
        type='VisualizationHook', enable=True, interval=interval, out_dir=str(folder.resolve())
    )


def plain(value: Any) -> Any:
    """A metric as json can hold it: tensors and arrays, such as a confusion matrix, as lists."""
    return value.tolist() if hasattr(value, 'tolist') else str(value)


def run(args: argparse.Namespace) -> int:
    """Test."""
    # What cannot be written or read is refused before anything is loaded.
    suffix = args.out.suffix if args.out else None
    if suffix not in (None, '.json', '.pkl'):
        raise ValueError(f'--out must end in .json (metrics) or .pkl (predictions), got {args.out}')
    if args.out:
        check_writable(args.out)
    check_checkpoint(args.checkpoint)

    cfg = runner_config(args, SECTIONS)
    cfg.load_from = args.checkpoint
    cfg.resume = False
    if args.tta:
        use_augmentation(cfg)
    if args.show_dir:
        draw_predictions(cfg, args.show_dir, args.interval)

    # Predictions are a metric of MMEngine's, the metrics themselves are what a run returns.
    runner = build_runner(cfg)
    if suffix == '.pkl':
        runner.test_evaluator.metrics.append(DumpResults(out_file_path=str(args.out)))
    metrics = runner.test()
    if suffix == '.json' and runner.rank == 0:
        write_whole(args.out, json.dumps(metrics, indent=2, default=plain) + '\n')
    leave_group()
    return 0
