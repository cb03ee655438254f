"""Short runs in processes of their own, which can be killed at any place.

The processes are forked from a server that has imported everything, so each starts at once.
"""

import functools
import multiprocessing
import os
import signal
import time
from pathlib import Path

import torch
from mmengine.hooks import checkpoint_hook
from mmengine.runner import Runner

from mmsemiloc.commands.common import load_config, set_loader_defaults
from mmsemiloc.datasets import draws
from mmsemiloc.engine import build, distributed
from mmsemiloc.engine.hooks import health_hook, restart_hook, setup_hook
from mmsemiloc.engine.optimizers.accum_optim_wrapper import AccumOptimWrapper
from mmsemiloc.engine.restart import whole_files
from mmsemiloc.files import PARTIAL
from mmsemiloc.models import SemiSupClassifier

ROOT = Path(__file__).parents[2]
STEPS, EVERY = 10, 4  # steps of a run, and between two checkpoints or validations
BATCH, MICRO = 12, 4
CASES = {  # config, and what differs from it
    'full': ('digits_full.py', {}),
    'best': ('best.py', {}),
    'ema': (
        'digits_ce_mel_nbel.py',
        {'model.head.loss_nbel.estimator': 'ema', 'model.head.loss_nbel.momentum': 0.3},
    ),
    'fixmatch': ('methods/digits_fixmatch_full.py', {}),
    'epochs': (
        'digits_full.py',
        {
            'train_cfg': dict(_delete_=True, by_epoch=True, max_epochs=3, val_interval=2),
            'default_hooks.checkpoint': dict(by_epoch=True, interval=1),
            'train_dataloader.sampler.epoch_length': 3,
            'log_processor.by_epoch': True,
        },
    ),
}


def tiny_config(case, folder, workers=0, ranks=1, **options):
    """The config of a case, with as much randomness as there can be in ten steps."""
    name, changes = CASES[case]
    cfg = load_config(
        ROOT / 'configs/digits' / name,
        ('model',),
        dict(steps=STEPS, batch_size=BATCH // ranks, micro_batch_size=MICRO // ranks),
        str(folder),
        launcher='none' if ranks == 1 else 'pytorch',
    )
    cfg.merge_from_dict(
        {
            'model.data_preprocessor.batch_augments': dict(augments=dict(type='Mixup', alpha=0.8)),
            'model.data_preprocessor.to_onehot': True,
            'model.backbone.arch': dict(growth_rate=4, depths=[2], init_channels=8),
            'model.backbone.drop_rate': 0.2,
            'model.head.in_channels': 16,
            'train_dataloader.num_workers': workers,
            'train_dataloader.dataset.labeled.num_images': 20,
            'train_dataloader.dataset.unlabeled.first': 20,
            'train_dataloader.dataset.unlabeled.num_images': 20,
            'val_dataloader.batch_size': 10,
            'val_dataloader.dataset.num_images': 20,
            'train_cfg.val_interval': EVERY,
            'default_hooks.checkpoint.interval': EVERY,
            'default_hooks.checkpoint.max_keep_ckpts': 2,
            'default_hooks.logger.interval': 2,
            'default_hooks.health.interval': 5,
            'log_processor.window_size': 3,
            'vis_backends': [dict(type='LocalVisBackend')],
            'visualizer.vis_backends': [dict(type='LocalVisBackend')],
            'test_dataloader': None,
            'test_cfg': None,
            'test_evaluator': None,
        }
    )
    cfg.merge_from_dict({**changes, **options})
    for term in [cfg.model.head.get('loss_nbel'), cfg.model.head.get('loss_mel')]:
        if term is not None:
            term.pop('schedule', None)  # two passes from the first step on
    set_loader_defaults(cfg.train_dataloader)
    cfg.experiment_name = 'tiny'
    return cfg


def die():
    """End this process as an operating system does that needs its memory."""
    os.kill(os.getpid(), signal.SIGKILL)


def before(owner, name, act):
    """A patch that acts before a function, given its arguments."""
    original = getattr(owner, name)

    def replaced(*args, **kwargs):
        act(*args, **kwargs)
        return original(*args, **kwargs)

    return owner, name, replaced


def at_step(place, step, act, rank=0):
    """Patches that act in this process at a place of a step, counted from 1."""
    current = {}

    def there(*args, **kwargs):
        made = current.get('runner')
        if made is not None and made.rank == rank and made.iter + 1 == step:
            act()

    def half_a_step(optimizer, *args, **kwargs):
        """Update half of the parameters."""
        if current['runner'].iter + 1 != step or current['runner'].rank != rank:
            return
        for group in optimizer.param_groups:
            for parameter in group['params'][: len(group['params']) // 2]:
                parameter.data.add_(parameter.grad, alpha=-group['lr'])
        act()

    def in_validation(model, data):
        if current['runner'].iter == step and current['runner'].rank == rank:
            act()

    remember = before(Runner, 'train', lambda made: current.update(runner=made))
    places = {
        'micro-batch': lambda: before(AccumOptimWrapper, 'backward', there),
        'between the passes': lambda: before(AccumOptimWrapper, '_first_pass', there),
        'optimizer step': lambda: before(torch.optim.SGD, 'step', half_a_step),
        'in validation': lambda: before(SemiSupClassifier, 'val_step', in_validation),
    }
    return [remember, places[place]()]


def in_save(step, share=0.5, phase='beside'):
    """Patches that kill this process while it saves the checkpoint of a step.

    Args:
        step: That of the checkpoint.
        share: Of its bytes that are written.
        phase: 'beside' for a part of the file, 'whole' for all of it before it is renamed,
            'renamed' before an older one is removed, 'told' in the middle of last_checkpoint.
    """
    write, name = whole_files.write_whole, f'_{step}.pth'

    def half_a_file(path, content, sync=False):
        if name in str(path):
            if phase in ('beside', 'whole'):
                size = int(len(content) * share) if phase == 'beside' else None
                Path(f'{path}{PARTIAL}').write_bytes(content[:size])
                die()
            if phase == 'renamed':
                write(path, content, sync)
                die()
        write(path, content, sync)

    def half_a_name(path, mode='r', *args, **kwargs):
        file = open(path, mode, *args, **kwargs)
        if str(path).endswith('last_checkpoint') and 'w' in mode:
            if (Path(path).parent / f'iter{name}').exists():
                file.write('/half/a/na')
                file.flush()
                die()
        return file

    checkpoint_hook.open = half_a_name if phase == 'told' else open
    return [(whole_files, 'write_whole', half_a_file)]


def nothing(*args, **kwargs):
    """Replaces a part whose absence must be seen."""


def not_sought(self, num_samples):
    """The sampler begins anew."""
    self._skipped_epochs = self._skipped_samples = 0


# Parts that make a resumed run exact, and what stands for each in a negative control.
CONTROLS = {
    'stock seeding of images': lambda: [(draws, 'seed_everything', nothing)],
    'stock seeding of steps': lambda: [(setup_hook, 'seed_everything', nothing)],
    'sampler not skipped': lambda: [(setup_hook.SemiSupSampler, 'skip', not_sought)],
    'window not saved': lambda: [(health_hook.HealthHook, '_continue', nothing)],
    'validation not made up for': lambda: [(restart_hook, 'validation_is_due', nothing)],
    'buffers not averaged': lambda: [(distributed, 'average_statistics', nothing)],
}


def body(case, folder, resume, happens, controls, workers, rank, ranks, options):
    """Train in this process."""
    os.setpgrp()
    torch.set_num_threads(1)
    log = os.open(f'{folder}.log', os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    if ranks > 1:
        os.environ.update(
            RANK=str(rank), WORLD_SIZE=str(ranks), LOCAL_RANK=str(rank), MASTER_ADDR='127.0.0.1'
        )
        torch.distributed.init_process_group(
            'gloo', init_method=f'file://{folder}.group', rank=rank, world_size=ranks
        )

    patches = [patch for name in controls for patch in CONTROLS[name]()]
    if isinstance(happens, float):
        signal.setitimer(signal.ITIMER_REAL, happens)  # SIGALRM ends a process as SIGKILL does
    elif happens is not None:
        patches += happens()
    for owner, name, value in patches:
        setattr(owner, name, value)

    cfg = tiny_config(case, folder, workers, ranks, **options)
    cfg.resume = resume
    build.build_runner(cfg).train()


def kill_at(place, step, rank=0):
    """What kills a run at a place of a step; see :func:`at_step` and :func:`in_save`."""
    if place == 'while saving':
        return functools.partial(in_save, step)
    return functools.partial(at_step, place, step, die, rank)


def told_at(place, step, number, rank=0):
    """What sends a signal to the run itself at a place of a step."""
    return functools.partial(at_step, place, step, functools.partial(send, number), rank)


def send(number):
    """Send a signal to this process, and to its workers."""
    os.killpg(os.getpgrp(), number)


def context():
    """Where processes of runs come from."""
    made = multiprocessing.get_context('forkserver')
    made.set_forkserver_preload(['tests.reliability.preload'])
    return made


def start(case, folder, resume=False, happens=None, controls=(), workers=0, ranks=1, **options):
    """The processes of a run.

    Args:
        case: One of ``CASES``.
        folder: Its work dir.
        resume: Whether it goes on from there.
        happens: Seconds after which it is killed, or a function that gives patches.
        controls: Names in ``CONTROLS``.
        workers: Workers of the loader.
        ranks: Number of processes.
        **options: Dotted names of the config with values.
    """
    Path(f'{folder}.group').unlink(missing_ok=True)
    processes = [
        context().Process(
            target=body,
            args=(case, str(folder), resume, happens, controls, workers, rank, ranks, options),
        )
        for rank in range(ranks)
    ]
    for process in processes:
        process.start()
    return processes


def finish(processes, timeout=240):
    """Exit codes of all processes; if one has failed, the others are killed, as torchrun does."""
    end = time.monotonic() + timeout
    while any(process.is_alive() for process in processes):
        failed = any(process.exitcode not in (None, 0, 143) for process in processes)
        late = time.monotonic() > end
        for process in processes if failed or late else ():
            process.kill()
        assert not late, 'a run hangs'
        time.sleep(0.05)
    return [process.exitcode for process in processes]


def train(case, folder, **arguments):
    """Exit codes of a run."""
    return finish(start(case, folder, **arguments))


def log_of(folder):
    """What the processes of a run printed."""
    return Path(f'{folder}.log').read_text()
