"""Build the runner of a config, with the checks that every run needs."""

import copy
import os
from datetime import timedelta

import torch
from mmengine.config import Config, ConfigDict
from mmengine.device import get_device
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

from mmsemiloc.engine.hooks.restart_hook import RestartHook
from mmsemiloc.engine.hooks.setup_hook import SemiSupSetupHook

# The variables in which each launcher tells a process its number, and how many there are.
RANKS = {
    'pytorch': ('RANK', 'WORLD_SIZE'),
    'slurm': ('SLURM_PROCID', 'SLURM_NTASKS'),
    'mpi': ('OMPI_COMM_WORLD_RANK', 'OMPI_COMM_WORLD_SIZE'),
}
KINDS = {'val_dataloader': 'validation', 'test_dataloader': 'test'}


def set_loader_defaults(loader: ConfigDict) -> None:
    """Fill in what mmpretrain's configs leave to its tools.

    Batches are stacked by the workers, which live on from epoch to epoch. What needs an accelerator
    or workers is off without them, whatever the config says.
    """
    loader.setdefault('collate_fn', dict(type='default_collate'))
    loader['pin_memory'] = loader.get('pin_memory', True) and torch.cuda.is_available()
    loader['persistent_workers'] = (
        loader.get('persistent_workers', True) and loader.get('num_workers', 0) > 0
    )


def with_one_policy(cfg: Config) -> Config:
    """A config in which unreadable images are treated alike in training, validation and test.

    The data sets beside a :class:`SemiSupDataset` go into a :class:`TolerantDataset` with its
    ``faults``.
    """
    training = (cfg.get('train_dataloader') or {}).get('dataset') or {}
    if 'SemiSupDataset' not in str(training.get('type')):
        return cfg

    for loader, kind in KINDS.items():
        dataset = (cfg.get(loader) or {}).get('dataset')
        if isinstance(dataset, dict) and 'TolerantDataset' not in str(dataset.get('type')):
            faults = training.get('faults')
            cfg[loader].dataset = dict(
                type='mmsemiloc.TolerantDataset', dataset=dataset, faults=faults, kind=kind
            )
    return cfg


def without_policy(cfg: Config) -> Config:
    """A config as it was before :func:`with_one_policy`, as the work dir of a run has it."""
    for loader in KINDS:
        dataset = (cfg.get(loader) or {}).get('dataset')
        if (
            isinstance(dataset, dict)
            and 'TolerantDataset' in str(dataset.get('type'))
            and 'kind' in dataset
        ):
            cfg[loader].dataset = dataset['dataset']

    return cfg


def without_pauses(cfg: Config) -> Config:
    """A config whose iteration-based loop does not wait 2 seconds after each epoch.

    It passes through one long epoch of ``SemiSupSampler``, whose order of images does not depend on
    the length of an epoch; with other samplers the loop is :class:`PromptTrainLoop`.
    """
    sampler = (cfg.get('train_dataloader') or {}).get('sampler') or {}
    loop = cfg.get('train_cfg') or {}
    steps = loop.get('max_iters')
    stock = loop.get('type', '' if loop.get('by_epoch', True) else 'IterBasedTrainLoop')

    if steps and 'SemiSupSampler' in str(sampler.get('type')):
        sampler.epoch_length = steps
    elif stock in ('IterBasedTrainLoop', 'mmengine.IterBasedTrainLoop'):
        loop.pop('by_epoch', None)
        loop.type = 'mmsemiloc.PromptTrainLoop'
    return cfg


def with_whole_checkpoints(cfg: Config) -> Config:
    """A config whose checkpoints are never half written, see :class:`WholeCheckpointHook`."""
    hooks = cfg.get('default_hooks') or {}
    checkpoint = hooks.get('checkpoint', dict(type='CheckpointHook', interval=1))  # as MMEngine
    if checkpoint is not None and checkpoint.get('type', 'CheckpointHook') == 'CheckpointHook':
        whole = dict(checkpoint, type='mmsemiloc.WholeCheckpointHook')
        cfg.default_hooks = dict(hooks, checkpoint=whole)
    return cfg


def completed(cfg: Config) -> Config:
    """A copy of a config with what every run needs, as its runner has it."""
    return with_whole_checkpoints(without_pauses(with_one_policy(copy.deepcopy(cfg))))


def join_on_cpu(cfg: Config) -> None:
    """Let the processes of a machine without an accelerator find each other.

    MMEngine would select a CUDA device first, for every backend, and takes a group that is there
    already as it is.
    """
    if torch.distributed.is_initialized():
        return
    settings = (cfg.get('env_cfg') or {}).get('dist_cfg') or {}
    seconds = settings.get('timeout')
    rank, world_size = (int(os.environ[name]) for name in RANKS[cfg.launcher])

    os.environ.setdefault('MASTER_PORT', '29500')  # as MMEngine does
    torch.distributed.init_process_group(
        settings.get('backend', 'gloo'),
        timeout=None if seconds is None else timedelta(seconds=seconds),
        rank=rank,
        world_size=world_size,
    )


def build_runner(cfg: Config) -> Runner:
    """Build the runner of a config, with the hooks of every run even if it does not list them."""
    cfg = completed(cfg)
    cfg.setdefault('runner_type', 'mmsemiloc.SemiSupRunner')

    if cfg.get('launcher', 'none') != 'none' and get_device() == 'cpu':
        join_on_cpu(cfg)
    runner = RUNNERS.build(cfg)

    # The first one brings others along.
    for kind in (SemiSupSetupHook, RestartHook):
        if not any(isinstance(hook, kind) for hook in runner.hooks):
            runner.register_hook(kind())
    return runner
