"""What the command-line tools share: one-line errors, reading a config, and building MMEngine's runner on GPUs or CPUs."""
import argparse
import contextlib
import gc
import os
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn
from unittest import mock

import torch
from mmengine.config import Config, ConfigDict, DictAction
from mmengine.device import get_device
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

import mmsemiloc.registry  # noqa: F401  (makes types such as 'mmsemiloc.CAMClsHead' known)

# A variable that each launcher sets for every process that it starts.
LAUNCHERS = {'none': '', 'pytorch': 'RANK', 'slurm': 'SLURM_PROCID', 'mpi': 'OMPI_COMM_WORLD_RANK'}
AMP_TYPES = {'OptimWrapper': 'AmpOptimWrapper', 'AccumOptimWrapper': 'AmpAccumOptimWrapper'}


class Parser(argparse.ArgumentParser):
    """Argument parser with an example below its help, whose errors are one line on stderr and exit code 2."""

    def __init__(self, description: str, example: str, **kwargs) -> None:
        super().__init__(description=description, epilog=f'example:\n  {example}',
                         formatter_class=argparse.RawDescriptionHelpFormatter, **kwargs)

    def error(self, message: str) -> NoReturn:
        """Print ``message`` as one line and exit."""
        self.exit(2, f'{self.prog}: error: {" ".join(message.split())}\n')

    @contextlib.contextmanager
    def one_line_errors(self) -> Iterator[None]:
        """Report what a wrong config or argument raises as one line instead of a traceback."""
        try:
            yield
        except ValueError as error:
            self.error(str(error))
        except (KeyError, TypeError, ImportError) as error:
            self.error(f'{type(error).__name__}: {error}')


def positive(text: str) -> int:
    """Type of an argument: a whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f'expected a whole number of at least 1, got {text}')
    return int(text)


def pair(text: str) -> tuple[str, str]:
    """Type of an argument: two names."""
    first, colon, second = text.partition(':')
    if not (first and second) or ':' in second:
        raise argparse.ArgumentTypeError(f'expected NAME:NAME, got {text}')
    return first, second


class CfgOptions(DictAction):
    """``DictAction`` that reports an argument that is no ``key=value``."""

    def __call__(self, parser, namespace, values, option_string=None) -> None:
        """Add ``values`` to the namespace."""
        try:
            super().__call__(parser, namespace, values, option_string)
        except (ValueError, AssertionError) as error:
            raise argparse.ArgumentError(self, f'expected key=value ..., got {" ".join(values)}') from error


def add_runner_arguments(parser: Parser) -> None:
    """Add the arguments that every tool that builds a runner has."""
    parser.add_argument('--work-dir', metavar='DIR', help='folder of logs and checkpoints (default: that of the config, '
                        'else work_dirs/<name of the config>)')
    parser.add_argument('--cfg-options', nargs='+', action=CfgOptions, metavar='KEY=VALUE',
                        help='values that replace those of the config, e.g. optim_wrapper.optimizer.lr=0.01')
    parser.add_argument('--launcher', choices=list(LAUNCHERS), default='none', help='what started the processes')
    # Older launchers pass one of the two spellings instead of setting LOCAL_RANK.
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)


def set_loader_defaults(loader: ConfigDict) -> None:
    """Fill in what mmpretrain's configs leave to its tools: batches are stacked by the workers, which live on."""
    loader.setdefault('collate_fn', dict(type='default_collate'))
    loader.setdefault('pin_memory', torch.cuda.is_available())
    loader.setdefault('persistent_workers', loader.get('num_workers', 0) > 0)


def distribute_on_cpu(cfg: Config) -> None:
    """Let the processes of a machine without an accelerator talk through gloo, and DDP not ask for a device."""
    wrapper = cfg.get('model_wrapper_cfg') or dict(type='MMDistributedDataParallel', broadcast_buffers=False,
                                                   find_unused_parameters=cfg.get('find_unused_parameters', False))
    cfg.merge_from_dict({'env_cfg.dist_cfg.backend': 'gloo'})
    cfg.model_wrapper_cfg = dict(wrapper, device_ids=None)


def load_config(args: argparse.Namespace, sections: Sequence[str]) -> Config:
    """Read the config that ``args`` name and merge the other arguments into it.

    Args:
        args: ``config`` and the arguments of :func:`add_runner_arguments`.
        sections: Top-level keys that the tool needs.

    Raises:
        ValueError: If the config cannot be read or lacks a section, or if the launcher did not start this process.
    """
    if not Path(args.config).is_file():
        raise ValueError(f'no such config file: {args.config}')
    try:
        cfg = Config.fromfile(args.config)
        cfg.merge_from_dict(args.cfg_options or {})
    except Exception as error:  # a config is Python code: anything can go wrong in it
        raise ValueError(f'cannot read {args.config}: {type(error).__name__}: {error}') from error
    missing = [section for section in sections if cfg.get(section) is None]
    if missing:
        raise ValueError(f'{args.config} has no {", ".join(missing)}')

    cfg.launcher = args.launcher
    cfg.work_dir = args.work_dir or cfg.get('work_dir') or f'work_dirs/{Path(args.config).stem}'
    if cfg.get('default_scope', 'mmpretrain') == 'mmpretrain':
        for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
            if cfg.get(name) is not None:
                set_loader_defaults(cfg[name])
    if args.launcher != 'none':
        if LAUNCHERS[args.launcher] not in os.environ:
            raise ValueError(f'--launcher {args.launcher}, but {LAUNCHERS[args.launcher]} is not set: start with '
                             'tools/dist_train.sh, tools/dist_test.sh or tools/slurm_train.sh')
        os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
        if get_device() == 'cpu':
            distribute_on_cpu(cfg)
    return cfg


def enable_amp(optim_wrapper: ConfigDict, device: str) -> None:
    """Change the type of an optimizer wrapper to its mixed-precision counterpart; on CPUs, to bfloat16.

    Args:
        optim_wrapper: Config of the wrapper, changed in place. A scope such as ``mmsemiloc.`` is kept.
        device: Type of the device, e.g. 'cuda' or 'cpu'.

    Raises:
        ValueError: If the type has no counterpart, or if that does not run on the device.
    """
    kind = optim_wrapper.get('type', 'OptimWrapper')
    scope, dot, name = str(kind).rpartition('.')
    if name not in AMP_TYPES.values():
        if name not in AMP_TYPES:
            raise ValueError(f'--amp: no mixed-precision counterpart of optim_wrapper.type {kind!r}, only of '
                             f'{", ".join(AMP_TYPES)}')
        name = AMP_TYPES[name]
        optim_wrapper['type'] = scope + dot + name
    if device == 'cpu':
        if name == 'AmpOptimWrapper':
            raise ValueError('--amp: AmpOptimWrapper of MMEngine does not run on CPUs; use mmsemiloc.AccumOptimWrapper')
        optim_wrapper['dtype'] = 'bfloat16'  # what CPUs compute fast, and without loss scaling


def check_checkpoint(path: str) -> None:
    """Check that a local checkpoint can be loaded, before the time that a run takes to build.

    Raises:
        ValueError: If the file is missing or damaged.
    """
    if '://' in path:
        return
    if not Path(path).is_file():
        raise ValueError(f'no such checkpoint: {path}')
    try:
        # mmap leaves the tensors on disk; files of old PyTorch versions, which are no zip archives, do not allow it.
        torch.load(path, map_location='cpu', mmap=zipfile.is_zipfile(path), weights_only=False)
    except Exception as error:  # depends on where the file is cut off
        raise ValueError(f'cannot load checkpoint {path}: {type(error).__name__}: {error}') from error


def build_runner(cfg: Config) -> Runner:
    """Build the runner of a config from :func:`load_config`."""
    if cfg.launcher == 'none' or get_device() != 'cpu':
        return RUNNERS.build(cfg)
    # MMEngine selects a CUDA device for every backend, which fails without a GPU.
    with mock.patch('torch.cuda.set_device'):
        return RUNNERS.build(cfg)


def leave_group() -> None:
    """End the threads of the process group, if there is one: the last thing of a tool whose run succeeded.

    A thread of gloo's that still drops the tensors of the last exchange while Python shuts down aborts the process. Not for a
    run that failed, since the other processes may be waiting for this one in an exchange.
    """
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
        gc.collect()  # the threads end with the last reference to the group, and the runner's cycles hold some
