"""Another length of the run for a config, with everything that depends on it."""

import copy
from collections.abc import Callable

from mmengine.config import Config, ConfigDict

# Arguments of MMEngine's schedulers that count iterations, and those that do not.
SCHEDULER_COUNTS = {'T_max', 'begin', 'end', 'milestones', 'periods', 'step_size', 'total_steps'}
SCHEDULER_OTHERS = {
    '_scope_',
    'anneal_strategy',
    'by_epoch',
    'convert_to_iter_based',
    'div_factor',
    'end_factor',
    'eta_max',
    'eta_min',
    'eta_min_ratio',
    'factor',
    'final_div_factor',
    'gamma',
    'pct_start',
    'power',
    'restart_weights',
    'start_factor',
    'three_phase',
    'type',
    'verbose',
}
# Arguments of hooks that count iterations, with defaults that must be scaled as well.
HOOK_COUNTS: dict[str, dict] = {
    'IterTimerHook': {},
    'ParamSchedulerHook': {},
    'DistSamplerSeedHook': {},
    'RuntimeInfoHook': {},
    'VisualizationHook': {},
    'LoggerHook': dict(interval=10),
    'CheckpointHook': dict(interval=None, save_begin=None),
    'EarlyStoppingHook': {},
    'EMAHook': dict(begin_iter=None, begin_epoch=None),
    'MeanTeacherHook': dict(begin_iter=None),
    'SemiSupSetupHook': {},
    'FiniteHook': {},
    'FirstStepsHook': {},
    'HealthHook': dict(interval=50, begin=200),
    'LossScheduleHook': {},
    'CAMEvolutionHook': dict(interval=None),
}
BY_EPOCH = {'CAMEvolutionHook': True}  # hooks of ours that may count epochs: the default
LOGS = ('LoggerHook', 'HealthHook')  # count iterations, of which an epoch has as many as before
POINTS = ('begin', 'begin_iter', 'begin_epoch', 'save_begin')  # may be 0, unlike lengths


def with_length(cfg: Config, length: int) -> Config:
    """A copy of a config that trains for ``length`` optimizer steps, or epochs if it counts epochs.

    Derived values keep their share of the run: length of the sampler's epoch, schedules of the
    learning rate and of the losses, intervals of validation, checkpoints and logs. With another
    number of epochs, what counts iterations for the log stays. For trying things out; a result is
    that of its length.

    Args:
        cfg: Config with ``train_cfg.max_iters`` or ``train_cfg.max_epochs``.
        length: Steps or epochs, at least 1.

    Raises:
        ValueError: If the config has neither, or has a scheduler's argument or a hook that is not
            known here.
    """
    by_epoch = not cfg.train_cfg.get('max_iters')
    key = 'max_epochs' if by_epoch else 'max_iters'
    old = cfg.train_cfg.get(key)
    if length < 1 or not old:
        raise ValueError(
            'another length of the run needs a number of at least 1 and a config with '
            f'train_cfg.max_iters or train_cfg.max_epochs, got {length} and '
            f'train_cfg={dict(cfg.train_cfg)}'
        )
    cfg = copy.deepcopy(cfg)
    if length == old:
        return cfg

    def scaled(name: str, value):
        """``value`` times length / old, with its nested values.

        Endless (-1, inf) and named ('all') ones as they are.
        """
        if isinstance(value, dict):
            # The end of the schedule of a loss may be its beginning, and is scaled like it.
            return {
                part_name: part
                if part_name == 'start_value'
                else scaled('begin' if part_name == 'end' else part_name, part)
                for part_name, part in value.items()
            }
        if isinstance(value, list | tuple):
            parts = [scaled(name, part) for part in value]
            return [part for part in parts if part < length] if name == 'milestones' else parts
        if isinstance(value, str) or value < 0 or value == float('inf'):
            return value
        if (
            name in POINTS and value < old
        ):  # what began in the longer run begins in a very short one, too
            return min(round(value * length / old), length - 1)
        return max(1, round(value * length / old))

    _scale(cfg.train_cfg, dict.fromkeys((key, 'val_interval', 'val_begin')), scaled)
    if not by_epoch:
        _scale(cfg.train_dataloader.sampler, dict(epoch_length=None), scaled)
    schedulers = cfg.get('param_scheduler') or []
    for scheduler in schedulers if isinstance(schedulers, list) else [schedulers]:
        _scale_scheduler(scheduler, scaled, by_epoch)
    for hook in [*cfg.get('default_hooks', {}).values(), *(cfg.get('custom_hooks') or [])]:
        _scale_hook(hook, scaled, by_epoch)
    if 'log_processor' in cfg and not by_epoch:
        _scale(cfg.log_processor, dict(window_size=10), scaled)
    for name in ('max_epochs',) if by_epoch else ('steps',):
        if name in cfg:
            cfg[name] = length
    return cfg


def _scale(part: ConfigDict, counts: dict, scaled: Callable) -> None:
    """Scale the values named in ``counts`` in place.

    One that is left out has the given default, None for no value.
    """
    for key, default in counts.items():
        value = part.get(key, default)
        if value is not None:
            part[key] = scaled(key, value)


def _scale_scheduler(scheduler: ConfigDict, scaled: Callable, by_epoch: bool) -> None:
    """Scale a scheduler of the learning rate in place."""
    unknown = sorted(set(scheduler) - SCHEDULER_COUNTS - SCHEDULER_OTHERS)
    if unknown or (scheduler.get('by_epoch', True) and not by_epoch):
        raise ValueError(
            f'another length of the run: param_scheduler {dict(scheduler)} counts epochs (by_epoch '
            f'is not False), or has arguments that are not known: {unknown}'
        )
    _scale(scheduler, dict.fromkeys(SCHEDULER_COUNTS), scaled)


def _scale_hook(hook: ConfigDict, scaled: Callable, by_epoch: bool) -> None:
    """Scale a hook in place."""
    name = str(hook['type']).rpartition('.')[2]
    if name not in HOOK_COUNTS:
        raise ValueError(
            f'another length of the run: it is not known which arguments of the hook {name} count '
            f'steps; known are {", ".join(HOOK_COUNTS)}'
        )
    if not by_epoch and name in BY_EPOCH and hook.get('by_epoch', BY_EPOCH[name]):
        raise ValueError(f'another length of the run: {name} counts epochs (by_epoch=True)')
    if not (by_epoch and name in LOGS):
        _scale(hook, HOOK_COUNTS[name], scaled)
