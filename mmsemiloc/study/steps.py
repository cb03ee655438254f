"""Another number of optimizer steps for a config, with everything that depends on it."""
import copy
from collections.abc import Callable

from mmengine.config import Config, ConfigDict

# Arguments of MMEngine's schedulers that count iterations, and those that do not.
SCHEDULER_COUNTS = {'T_max', 'begin', 'end', 'milestones', 'periods', 'step_size', 'total_steps'}
SCHEDULER_OTHERS = {
    'anneal_strategy', 'by_epoch', 'convert_to_iter_based', 'div_factor', 'end_factor', 'eta_max', 'eta_min', 'eta_min_ratio',
    'factor', 'final_div_factor', 'gamma', 'pct_start', 'power', 'restart_weights', 'start_factor', 'three_phase', 'type',
    'verbose'
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
    'EMAHook': dict(begin_iter=None),
    'MeanTeacherHook': dict(begin_iter=None),
    'SemiSupSetupHook': {},
    'HealthHook': dict(interval=50, begin=200),
    'LossScheduleHook': dict(schedule=None),
    'CAMEvolutionHook': dict(interval=None),
}
BY_EPOCH = {'LossScheduleHook': False, 'CAMEvolutionHook': True}  # hooks of ours that may count epochs: the default
POINTS = ('begin', 'begin_iter', 'save_begin')  # may be 0, unlike lengths


def with_steps(cfg: Config, steps: int) -> Config:
    """A copy of an iteration-based config that trains for ``steps`` optimizer steps.

    Derived values keep their share of the run: length of the sampler's epoch, schedules of the learning rate and of the
    losses, intervals of validation, checkpoints and logs. For trying things out; a result is that of its number of steps.

    Args:
        cfg: Config with ``train_cfg.max_iters``.
        steps: Optimizer steps, at least 1.

    Raises:
        ValueError: If the config counts epochs, or has a scheduler's argument or a hook that is not known here.
    """
    old = cfg.train_cfg.get('max_iters')
    if steps < 1 or not old:
        raise ValueError(f'another number of steps needs steps >= 1 and a config with train_cfg.max_iters, got {steps} and '
                         f'train_cfg={dict(cfg.train_cfg)}')
    cfg = copy.deepcopy(cfg)
    if steps == old:
        return cfg

    def scaled(name: str, value):
        """``value`` times steps / old, with its nested values; endless (-1, inf) and named ('all') ones as they are."""
        if isinstance(value, dict):
            return {key: scaled(key, part) if key != 'start_value' else part for key, part in value.items()}
        if isinstance(value, list | tuple):
            return [scaled(name, part) for part in value]
        if isinstance(value, str) or value < 0 or value == float('inf'):
            return value
        return max(0 if name in POINTS else 1, round(value * steps / old))

    _scale(cfg.train_cfg, dict.fromkeys(('max_iters', 'val_interval', 'val_begin')), scaled)
    _scale(cfg.train_dataloader.sampler, dict(epoch_length=None), scaled)
    schedulers = cfg.get('param_scheduler') or []
    for scheduler in schedulers if isinstance(schedulers, list) else [schedulers]:
        _scale_scheduler(scheduler, scaled)
    for hook in [*cfg.get('default_hooks', {}).values(), *(cfg.get('custom_hooks') or [])]:
        _scale_hook(hook, scaled)
    if 'log_processor' in cfg:
        _scale(cfg.log_processor, dict(window_size=10), scaled)
    if 'steps' in cfg:
        cfg.steps = steps
    return cfg


def _scale(part: ConfigDict, counts: dict, scaled: Callable) -> None:
    """Scale the values named in ``counts`` in place; one that is left out has the given default, None for no value."""
    for key, default in counts.items():
        value = part.get(key, default)
        if value is not None:
            part[key] = scaled(key, value)


def _scale_scheduler(scheduler: ConfigDict, scaled: Callable) -> None:
    """Scale a scheduler of the learning rate in place."""
    unknown = sorted(set(scheduler) - SCHEDULER_COUNTS - SCHEDULER_OTHERS)
    if unknown or scheduler.get('by_epoch', True):
        raise ValueError(f'another number of steps: param_scheduler {dict(scheduler)} counts epochs (by_epoch is not False), '
                         f'or has arguments that are not known: {unknown}')
    _scale(scheduler, dict.fromkeys(SCHEDULER_COUNTS), scaled)


def _scale_hook(hook: ConfigDict, scaled: Callable) -> None:
    """Scale a hook in place."""
    name = str(hook['type']).rpartition('.')[2]
    if name not in HOOK_COUNTS:
        raise ValueError(f'another number of steps: it is not known which arguments of the hook {name} count steps; known are '
                         f'{", ".join(HOOK_COUNTS)}')
    if name in BY_EPOCH and hook.get('by_epoch', BY_EPOCH[name]):
        raise ValueError(f'another number of steps: {name} counts epochs (by_epoch=True)')
    _scale(hook, HOOK_COUNTS[name], scaled)
