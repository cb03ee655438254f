"""The work of tools/train.py."""

import argparse
import os
from pathlib import Path

from mmengine.config import Config
from mmengine.device import get_device

from mmsemiloc.commands.common import check_checkpoint, enable_amp, leave_group, runner_config
from mmsemiloc.engine.build import RANKS, build_runner, completed
from mmsemiloc.engine.restart.checkpoints import (
    checkpoints_in,
    is_restarted,
    put_aside,
    read_checkpoint,
    refuse_old_checkpoints,
    resume_point,
)
from mmsemiloc.engine.restart.recipe import check_recipe, recipe_of
from mmsemiloc.engine.work_dir_lock import locked

SECTIONS = ('model', 'train_dataloader', 'train_cfg', 'optim_wrapper')


def place_among_ranks(launcher: str) -> tuple[int, int]:
    """Rank of this process and number of ranks, as its launcher tells them."""
    if launcher == 'none':
        return 0, 1
    rank, world_size = RANKS[launcher]
    return int(os.environ.get(rank, 0)), int(os.environ.get(world_size, 1))


def set_start(cfg: Config, resume: str | None, force: bool) -> None:
    """Decide where a run begins: at a checkpoint, or at its beginning.

    A run that Slurm or torchrun has started again goes on by itself.

    Args:
        cfg: The config, changed in place.
        resume: 'auto' for the newest whole checkpoint of the work dir, a file, or None for what the
            config says.
        force: Whether to resume a checkpoint of another recipe; without ``resume``, to begin where
            checkpoints lie, which are moved away.

    Raises:
        ValueError: If the checkpoint is missing, damaged or of another recipe, or if there is one
            and the run would begin anew.
    """
    rank, world_size = place_among_ranks(cfg.launcher)
    folder = Path(cfg.work_dir)
    if is_restarted(os.environ) and checkpoints_in(folder):
        resume = 'auto'  # wherever it has begun
    elif resume is None and cfg.get('resume'):
        resume = cfg.get('load_from') or 'auto'

    # At the beginning, where no other run has saved anything.
    if resume is None:
        if force and rank == 0:
            put_aside(folder)
        elif not force:
            refuse_old_checkpoints(folder)
        return

    # The recipe is that of the config which the runner will have.
    recipe = recipe_of(completed(cfg), world_size)
    if resume == 'auto':
        found = resume_point(folder, recipe, force)
        if found is None:
            print(f'no checkpoint in {folder}: the run starts at its beginning')
            cfg.resume = False
            return
        resume = str(found)
    elif not force and Path(resume).is_file():
        check_checkpoint(resume)
        check_recipe(resume, recipe_in(resume), recipe)
    cfg.resume, cfg.load_from = True, resume


def recipe_in(path: str) -> str | None:
    """The recipe of a checkpoint; None if it does not tell, or cannot be resumed."""
    try:
        return read_checkpoint(Path(path)).recipe
    except ValueError:
        return None  # the runner says what is missing


def train(cfg: Config, args: argparse.Namespace) -> None:
    """Train as the config and the arguments say."""
    if args.amp:
        enable_amp(cfg.optim_wrapper, get_device())
    if args.seed is not None:
        cfg.merge_from_dict({'randomness.seed': args.seed})
    if args.deterministic:
        cfg.merge_from_dict({'randomness.deterministic': True})

    set_start(cfg, args.resume, args.force)
    if cfg.get('load_from') is not None:
        check_checkpoint(cfg.load_from)

    build_runner(cfg).train()
    leave_group()


def run(args: argparse.Namespace) -> int:
    """Train, alone in the work dir."""
    cfg = runner_config(args, SECTIONS)
    with locked(cfg):
        train(cfg, args)
    return 0
