"""What a run is too short for: schedules, hooks and validations whose time never comes."""

from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.hooks import CheckpointHook, EMAHook, Hook
from mmengine.runner import Runner

from mmsemiloc.engine.hooks.cam_evolution_hook import CAMEvolutionHook
from mmsemiloc.models.losses.term import WeightedTerm


def of_schedulers(schedulers: Any, epochs: int, iterations: int) -> Iterator[str]:
    """Schedulers of learning rate or momentum that change nothing in the run, in words."""
    if isinstance(schedulers, dict):  # one list for each of several optimizers
        for part in schedulers.values():
            yield from of_schedulers(part, epochs, iterations)
        return

    for number, scheduler in enumerate(schedulers or ()):
        end, unit = (epochs, 'epochs') if scheduler.by_epoch else (iterations, 'iterations')
        name = f'param_scheduler {number} ({type(scheduler).__name__})'
        if scheduler.begin >= end:
            yield f'{name} begins at {scheduler.begin} of {end} {unit}'
        milestones = sorted(getattr(scheduler, 'milestones', ()))
        if milestones and scheduler.begin + milestones[0] >= end:
            yield (
                f'{name} has its first milestone at {scheduler.begin + milestones[0]} of {end} '
                f'{unit}'
            )
        if scheduler.begin + getattr(scheduler, 'step_size', 0) >= end > scheduler.begin:
            yield f'{name} has its first step after {scheduler.step_size} of {end} {unit}'


def of_terms(terms: Mapping[str, WeightedTerm], iterations: int) -> Iterator[str]:
    """Terms of the loss whose weight stays at its start value in the whole run, in words."""
    for name, term in terms.items():
        schedule = term.schedule
        if schedule is None or term.full_weight == schedule.start_value:
            continue
        last = schedule.weight(term.full_weight, iterations - 1, iterations)
        if last == schedule.start_value:
            begin, _ = schedule.steps(iterations)
            yield f'the schedule of loss term {name!r} begins at {begin} of {iterations} iterations'


def of_hook(hook: Hook, epochs: int, iterations: int) -> Iterator[str]:
    """What a hook was to do after the end of the run, in words."""
    name = type(hook).__name__
    if isinstance(hook, EMAHook):
        if hook.begin_iter >= iterations or hook.begin_epoch >= epochs > 1:
            yield (
                f'{name} begins at iteration {hook.begin_iter}, epoch {hook.begin_epoch} of '
                f'{iterations} and {epochs}'
            )

    if isinstance(hook, CheckpointHook):
        end, unit = (epochs, 'epochs') if hook.by_epoch else (iterations, 'iterations')
        if hook.save_begin >= end > 1:
            yield f'{name} saves from {hook.save_begin} of {end} {unit} on'

    if isinstance(hook, CAMEvolutionHook):
        end, unit = (epochs, 'epochs') if hook.by_epoch else (iterations, 'iterations')
        if hook.interval > end:
            yield f'{name} has an interval of {hook.interval}, but there are {end} {unit}'


def never_begins(runner: Runner, terms: Mapping[str, WeightedTerm]) -> list[str]:
    """Everything in a run whose time never comes, in words.

    Args:
        runner: With its training loop, schedulers and hooks.
        terms: The terms of the loss.
    """
    epochs, iterations = runner.max_epochs, runner.max_iters
    faults = list(of_schedulers(runner.param_schedulers, epochs, iterations))
    for hook in runner.hooks:
        faults += of_hook(hook, epochs, iterations)
    faults += of_terms(terms, iterations)

    # An iteration-based loop counts iterations here, the other one epochs.
    loop = runner.train_loop
    end = iterations if getattr(loop, 'max_epochs', 1) == 1 and iterations > 1 else epochs
    if runner.val_loop is not None and getattr(loop, 'val_begin', 1) > end:
        faults.append(f'validation begins at {loop.val_begin} of {end}')
    return faults


def check_everything_begins(runner: Runner, terms: Mapping[str, WeightedTerm]) -> None:
    """Refuse a run in which the time of something never comes; see :func:`never_begins`.

    Raises:
        ValueError: With all of them, and what to do.
    """
    faults = never_begins(runner, terms)
    if faults:
        by_epoch = runner.max_epochs > 1 or 'max_epochs' in (runner.cfg.get('train_cfg') or {})
        knob = 'max_epochs' if by_epoch else 'steps'
        raise ValueError(
            f'the run is too short: {"; ".join(faults)}. Scale all schedules with the run by '
            f'{knob}=... (at the top of the config or in --cfg-options), or take these out'
        )
