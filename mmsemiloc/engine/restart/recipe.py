"""What of a config decides the result of a training: a run resumes a checkpoint of its own."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

SECTIONS = (
    'model',
    'data_preprocessor',
    'train_dataloader',
    'optim_wrapper',
    'param_scheduler',
    'auto_scale_lr',
    'train_cfg',
    'custom_hooks',
    'randomness',
)
# Keys that change the speed or the place of a run, or what is told about it.
FREE = {
    'backend_args',
    'checkpoint',  # pretrained weights: only a new run loads them
    'data_root',
    'dynamic_intervals',
    'num_workers',
    'persistent_workers',
    'pin_memory',
    'prefetch_factor',
    'timeout',
    'val_begin',
    'val_interval',
    'worker_init_fn',
}
# Images per rank: with another number of ranks they differ, though the batch is the same.
PER_RANK = ('train_dataloader.batch_size', 'train_dataloader.sampler.batch_size')
MICRO = ('optim_wrapper.micro_batch_size', 'train_dataloader.sampler.micro_batch_size')
SHOWN = 4
ABSENT = 'not set'


def plain(value: Any) -> Any:
    """What JSON cannot hold, by name: a class, a function, an array."""
    if hasattr(value, 'tolist'):
        return value.tolist()
    return getattr(value, '__qualname__', type(value).__qualname__)


def flatten(part: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Values of a part of a config by their dotted names, without those that are free."""
    if isinstance(part, Mapping):
        items = [(f'{name}.{key}', value) for key, value in part.items() if key not in FREE]
    elif isinstance(part, list | tuple) and any(isinstance(value, Mapping) for value in part):
        items = [(f'{name}.{number}', value) for number, value in enumerate(part)]
    else:
        yield name, part
        return

    for key, value in items:
        yield from flatten(value, key)


def recipe_of(cfg: Mapping, world_size: int) -> str:
    """The recipe of a run as JSON: values that decide its result, by their dotted names.

    Args:
        cfg: The config, as the runner has it.
        world_size: Number of ranks.
    """
    parts = {name: cfg[name] for name in SECTIONS if cfg.get(name) is not None}
    values = dict(pair for name, part in parts.items() for pair in flatten(part, name))
    return json.dumps({'world_size': world_size, **values}, default=plain, sort_keys=True)


def of_all_ranks(values: dict[str, Any]) -> dict[str, Any]:
    """A recipe whose batch is that of all ranks, without micro-batches."""
    ranks = values['world_size']
    whole = {name: values[name] * ranks for name in PER_RANK if name in values}
    return {k: v for k, v in {**values, **whole}.items() if k not in ('world_size', *MICRO)}


def differences(theirs: str, ours: str) -> list[str]:
    """What differs between two recipes, in words; empty if they train the same.

    Other numbers of ranks are no difference as long as the batch of all ranks is the same.

    Args:
        theirs: That of the checkpoint.
        ours: That of the run.
    """
    there, here = json.loads(theirs), json.loads(ours)
    if there['world_size'] != here['world_size']:
        there, here = of_all_ranks(there), of_all_ranks(here)

    names = [name for name in sorted({*there, *here}) if there.get(name) != here.get(name)]
    return [
        f'{name} is {there.get(name, ABSENT)} there and {here.get(name, ABSENT)} here'
        for name in names
    ]


def check_recipe(path: str, theirs: str | None, ours: str) -> None:
    """Refuse to resume a checkpoint of another recipe.

    Args:
        path: The checkpoint.
        theirs: Its recipe; None if it does not tell.
        ours: That of the run.

    Raises:
        ValueError: With the keys that differ.
    """
    found = differences(theirs, ours) if theirs is not None else []
    if found:
        more = f' and {len(found) - SHOWN} more' if len(found) > SHOWN else ''
        raise ValueError(
            f'{path} is of another recipe: {"; ".join(found[:SHOWN])}{more}. Train it in a '
            '--work-dir of its own, or go on all the same with --force'
        )
