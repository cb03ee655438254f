"""What the commands share: reading a config, and building MMEngine's runner on GPUs or CPUs."""

import argparse
import gc
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path

import torch
from mmengine.config import Config, ConfigDict, DictAction
from mmengine.device import get_device

import mmsemiloc.registry  # noqa: F401  (makes types such as 'mmsemiloc.CAMClsHead' known)
from mmsemiloc.commands.options import with_options
from mmsemiloc.engine.build import set_loader_defaults, without_policy
from mmsemiloc.models.checkpoints.weights_only import CheckpointError, load_file

AMP_TYPES = {'OptimWrapper': 'AmpOptimWrapper', 'AccumOptimWrapper': 'AmpAccumOptimWrapper'}


def read_options(words: Sequence[str] | None) -> dict:
    """The values of words ``key=value``, as MMEngine's ``DictAction`` reads them."""
    parser = argparse.ArgumentParser()
    parser.add_argument('--options', nargs='+', action=DictAction)
    return parser.parse_args(['--options', *words]).options if words else {}


def distribute_on_cpu(cfg: Config) -> None:
    """Let the processes of a machine without an accelerator talk through gloo.

    DDP must not ask for a device there.
    """
    wrapper = cfg.get('model_wrapper_cfg') or dict(
        type='MMDistributedDataParallel',
        broadcast_buffers=False,
        find_unused_parameters=cfg.get('find_unused_parameters', False),
    )
    cfg.merge_from_dict({'env_cfg.dist_cfg.backend': 'gloo'})
    cfg.model_wrapper_cfg = dict(wrapper, device_ids=None)


def load_config(
    config: str | Path,
    sections: Sequence[str],
    options: dict | None = None,
    work_dir: str | None = None,
    launcher: str = 'none',
    local_rank: int = 0,
) -> Config:
    """Read a config and merge what the command line says into it.

    Args:
        config: Its file.
        sections: Top-level keys that the command needs.
        options: Values that replace those of the config, by their dotted names; see
            :func:`read_options`.
        work_dir: Folder of logs and checkpoints; by default that of the config.
        launcher: What started the processes.
        local_rank: Number of this process on its machine, if the launcher does not say so itself.

    Raises:
        ValueError: If the config cannot be read or lacks a section.
    """
    if not Path(config).is_file():
        raise ValueError(f'no such config file: {config}')
    try:
        cfg = Config.fromfile(config)
    except Exception as error:  # a config is Python code: anything can go wrong in it
        raise ValueError(f'cannot read {config}: {type(error).__name__}: {error}') from error
    cfg = with_options(without_policy(cfg), Path(config), options or {})
    missing = [section for section in sections if cfg.get(section) is None]
    if missing:
        raise ValueError(f'{config} has no {", ".join(missing)}')

    cfg.launcher = launcher
    cfg.work_dir = work_dir or cfg.get('work_dir') or f'work_dirs/{Path(config).stem}'
    if cfg.get('default_scope', 'mmpretrain') in ('mmpretrain', 'mmsemiloc'):
        cfg.default_scope = 'mmsemiloc'  # all types of MMPretrain, and ours before them
        for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
            if cfg.get(name) is not None:
                set_loader_defaults(cfg[name])
    if launcher != 'none':
        os.environ.setdefault('LOCAL_RANK', str(local_rank))
        if get_device() == 'cpu':
            distribute_on_cpu(cfg)
    return cfg


def runner_config(args: argparse.Namespace, sections: Sequence[str]) -> Config:
    """:func:`load_config` with the arguments that every tool that builds a runner has."""
    return load_config(
        args.config,
        sections,
        read_options(args.cfg_options),
        args.work_dir,
        args.launcher,
        args.local_rank,
    )


def enable_amp(optim_wrapper: ConfigDict, device: str) -> None:
    """Change the type of an optimizer wrapper to its mixed-precision counterpart.

    On CPUs, it computes in bfloat16.

    Args:
        optim_wrapper: Config of the wrapper, changed in place. A scope such as ``mmsemiloc.`` is
            kept.
        device: Type of the device, e.g. 'cuda' or 'cpu'.

    Raises:
        ValueError: If the type has no counterpart, or if that does not run on the device.
    """
    kind = optim_wrapper.get('type', 'OptimWrapper')
    scope, dot, name = str(kind).rpartition('.')

    if name not in AMP_TYPES.values():
        if name not in AMP_TYPES:
            raise ValueError(
                f'--amp: no mixed-precision counterpart of optim_wrapper.type {kind!r}, only of '
                f'{", ".join(AMP_TYPES)}'
            )
        name = AMP_TYPES[name]
        optim_wrapper['type'] = scope + dot + name

    if device == 'cpu':
        if name == 'AmpOptimWrapper':
            raise ValueError(
                '--amp: AmpOptimWrapper of MMEngine does not run on CPUs; use '
                'mmsemiloc.AccumOptimWrapper'
            )
        optim_wrapper['dtype'] = 'bfloat16'  # what CPUs compute fast, and without loss scaling


def check_checkpoint(path: str) -> None:
    """Check that a local checkpoint can be loaded, before the time that a run takes to build.

    Raises:
        ValueError: If the file is missing or damaged, or holds code.
    """
    if '://' in path:
        return
    if not Path(path).is_file():
        raise ValueError(f'no such checkpoint: {path}')

    try:
        # mmap leaves the tensors on disk; files of old PyTorch versions, which are not zip
        # archives, do not allow it.
        load_file(path, mmap=zipfile.is_zipfile(path))
    except CheckpointError:
        raise
    except Exception as error:  # depends on where the file is cut off
        raise ValueError(
            f'cannot load checkpoint {path}: {type(error).__name__}: {error}'
        ) from error


def check_writable(path: Path) -> None:
    """Check that a file can be written, before the work whose result it is for.

    Raises:
        ValueError: If it cannot, with the reason.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        was_there = path.exists()
        path.open('ab').close()
        if not was_there:
            path.unlink()
    except OSError as error:
        raise ValueError(f'cannot write {path}: {error.strerror or error}') from error


def leave_group() -> None:
    """End the threads of the process group: the last step of a tool whose run succeeded.

    A thread of gloo's that still drops the tensors of the last exchange while Python shuts down
    aborts the process. Not for a run that failed, since the other processes may be waiting for this
    one in an exchange.
    """
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
        # The threads end with the last reference to the group, and the runner's cycles hold some.
        gc.collect()
