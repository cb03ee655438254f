"""The work of tools/train.py."""

import argparse

from mmengine.config import Config
from mmengine.device import get_device
from mmengine.runner import find_latest_checkpoint

from mmsemiloc.commands.common import check_checkpoint, enable_amp, leave_group, runner_config
from mmsemiloc.engine.build import build_runner
from mmsemiloc.engine.work_dir_lock import locked

SECTIONS = ('model', 'train_dataloader', 'train_cfg', 'optim_wrapper')


def set_resume(cfg: Config, resume: str | None) -> None:
    """Resume from the newest checkpoint ('auto'), from a file, or as the config says (None)."""
    if resume is None:
        return
    if resume == 'auto' and find_latest_checkpoint(cfg.work_dir) is None:
        print(f'no checkpoint in {cfg.work_dir}: the run starts at its beginning')
        return
    cfg.resume = True
    cfg.load_from = None if resume == 'auto' else resume


def check_start(cfg: Config) -> None:
    """Check that the checkpoint that a run starts from, or goes on from, can be loaded.

    Raises:
        ValueError: If the file is missing or damaged.
    """
    path = cfg.get('load_from')
    if path is None and cfg.get('resume'):
        path = find_latest_checkpoint(cfg.work_dir)
    if path is not None:
        check_checkpoint(path)


def train(cfg: Config, args: argparse.Namespace) -> None:
    """Train as the config and the arguments say."""
    set_resume(cfg, args.resume)
    check_start(cfg)

    if args.amp:
        enable_amp(cfg.optim_wrapper, get_device())
    if args.seed is not None:
        cfg.merge_from_dict({'randomness.seed': args.seed})
    if args.deterministic:
        cfg.merge_from_dict({'randomness.deterministic': True})

    build_runner(cfg).train()
    leave_group()


def run(args: argparse.Namespace) -> int:
    """Train, alone in the work dir."""
    cfg = runner_config(args, SECTIONS)
    with locked(cfg):
        train(cfg, args)
    return 0
