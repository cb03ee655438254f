"""Another length of the run for a config, with everything that depends on it."""

import copy
import inspect
from dataclasses import dataclass
from typing import Any

from mmengine.config import Config, ConfigDict

from mmsemiloc.engine.hooks.step_arguments import StepArguments
from mmsemiloc.registry import HOOKS

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
# The same of hooks that are not ours, which cannot declare them: see StepArguments.
OTHER_HOOKS: dict[str, StepArguments] = {
    'IterTimerHook': {},
    'ParamSchedulerHook': {},
    'DistSamplerSeedHook': {},
    'RuntimeInfoHook': {},
    'VisualizationHook': {},
    'LoggerHook': dict(interval=10),
    'CheckpointHook': dict(interval=None, save_begin=None),
    'EarlyStoppingHook': {},
    'EMAHook': dict(begin_iter=None, begin_epoch=None),
}
LOGS = ('LoggerHook', 'HealthHook')  # count iterations, of which an epoch has as many as before
POINTS = ('begin', 'begin_iter', 'begin_epoch', 'save_begin')  # may be 0, unlike lengths


@dataclass(frozen=True)
class Scale:
    """How values that count steps, or epochs, change with the length of a run.

    Attributes:
        old: Length of the config's run.
        new: Length of the other one.
        by_epoch: Whether both count epochs.
    """

    old: int
    new: int
    by_epoch: bool

    def value(self, name: str, value: Any) -> Any:
        """The value of an argument, with its nested ones, in the other run.

        Endless (-1, inf) and named ('all') ones stay as they are.
        """
        if isinstance(value, list | tuple):
            parts = [self.value(name, part) for part in value]
            return [part for part in parts if part < self.new] if name == 'milestones' else parts
        if isinstance(value, str) or value < 0 or value == float('inf'):
            return value

        # What began in the longer run begins in a very short one, too.
        scaled = round(value * self.new / self.old)
        if name in POINTS and value < self.old:
            return min(scaled, self.new - 1)
        return max(1, scaled)

    def part(self, part: ConfigDict, counts: StepArguments) -> None:
        """Scale the values named in ``counts`` in place.

        One that is left out has the given default, None for no value.
        """
        for key, default in counts.items():
            value = part.get(key, default)
            if value is not None:
                part[key] = self.value(key, value)


def with_length(cfg: Config, length: int) -> Config:
    """A copy of a config that trains for ``length`` optimizer steps, or epochs if it counts epochs.

    Derived values keep their share of the run: length of the sampler's epoch, schedules of the
    learning rate, intervals of validation, checkpoints and logs; those of the losses are shares
    already. With another number of epochs, what counts iterations for the log stays. It is for
    trying things out; a result is that of its length.

    Args:
        cfg: Config with ``train_cfg.max_iters`` or ``train_cfg.max_epochs``.
        length: Steps or epochs, at least 1.

    Raises:
        ValueError: If the config has neither, or has a scheduler's argument or a hook that is not
            known here.
    """
    by_epoch = not cfg.train_cfg.get('max_iters')
    key, knob = ('max_epochs', 'max_epochs') if by_epoch else ('max_iters', 'steps')
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

    # The loop, and the order of its images.
    scale = Scale(old, length, by_epoch)
    scale.part(cfg.train_cfg, dict.fromkeys((key, 'val_interval', 'val_begin')))
    if not by_epoch:
        scale.part(cfg.train_dataloader.sampler, dict(epoch_length=None))

    # The learning rate, then whatever hooks do at some step.
    schedulers = cfg.get('param_scheduler') or []
    for scheduler in schedulers if isinstance(schedulers, list) else [schedulers]:
        _scale_scheduler(scheduler, scale)
    for hook in [*cfg.get('default_hooks', {}).values(), *(cfg.get('custom_hooks') or [])]:
        _scale_hook(hook, scale)

    # Logs, and the name of the length at the top of the config.
    if 'log_processor' in cfg and not by_epoch:
        scale.part(cfg.log_processor, dict(window_size=10))
    if knob in cfg:
        cfg[knob] = length
    return cfg


def _scale_scheduler(scheduler: ConfigDict, scale: Scale) -> None:
    """Scale a scheduler of the learning rate in place."""
    unknown = sorted(set(scheduler) - SCHEDULER_COUNTS - SCHEDULER_OTHERS)
    if unknown or (scheduler.get('by_epoch', True) and not scale.by_epoch):
        raise ValueError(
            f'another length of the run: param_scheduler {dict(scheduler)} counts epochs (by_epoch '
            f'is not False), or has arguments that are not known: {unknown}'
        )
    scale.part(scheduler, dict.fromkeys(SCHEDULER_COUNTS))


def step_arguments(kind: str | type) -> StepArguments:
    """Which arguments of a hook count steps, as its class declares or OTHER_HOOKS says.

    A subclass declares its own: it may have more of them than its parent.

    Args:
        kind: Type of the hook in a config.

    Raises:
        ValueError: If neither is known.
    """
    name = _hook_name(kind)
    if name in OTHER_HOOKS:
        return OTHER_HOOKS[name]

    declared = vars(_hook_class(kind) or object).get('step_arguments')
    if declared is None:
        raise ValueError(
            f'another length of the run: it is not known which arguments of the hook {name} count '
            f'steps; its class can declare them as step_arguments, and known without it are '
            f'{", ".join(OTHER_HOOKS)}'
        )
    return declared


def _hook_name(kind: str | type) -> str:
    """The name of a hook's class, without its scope."""
    return kind.rpartition('.')[2] if isinstance(kind, str) else kind.__name__


def _hook_class(kind: str | type) -> type | None:
    """The class of a hook; None if it is not registered."""
    return HOOKS.get(kind) if isinstance(kind, str) else kind


def _counts_epochs(hook: ConfigDict) -> bool:
    """Whether a hook of ours that may count either counts epochs, by its argument or default."""
    if _hook_name(hook['type']) in OTHER_HOOKS:
        return False
    by_epoch = inspect.signature(_hook_class(hook['type']) or object).parameters.get('by_epoch')
    return by_epoch is not None and hook.get('by_epoch', by_epoch.default) is True


def _scale_hook(hook: ConfigDict, scale: Scale) -> None:
    """Scale a hook in place."""
    counts, name = step_arguments(hook['type']), _hook_name(hook['type'])
    if not scale.by_epoch and _counts_epochs(hook):
        raise ValueError(f'another length of the run: {name} counts epochs (by_epoch=True)')
    if not (scale.by_epoch and name in LOGS):
        scale.part(hook, counts)
