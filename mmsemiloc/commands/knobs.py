"""Knobs: names at the top of a config that stand for values in several places of it.

The configs of OpenMMLab are Python files. A variable at the top of one (``batch_size = 64``) is
used while that file is read. In a file that inherits it, or by ``--cfg-options batch_size=4``, a
change of the variable alone would change nothing. Here such a *knob* is carried to its places.
"""

from collections.abc import Iterator
from typing import Any

from mmengine.config import Config

from mmsemiloc.study.steps import with_length

LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')
# Further parts of a config that may have paths of the data: annotations of CocoMetric, the images
# of a hook, a prior.
OTHERS = ('val_evaluator', 'test_evaluator', 'default_hooks', 'custom_hooks', 'model')

# The places of a knob. Those that the config has are set.
PLACES = {
    'num_classes': (
        'model.head.num_classes',
        'model.data_preprocessor.num_classes',
        'data_preprocessor.num_classes',
    ),
    'batch_size': ('train_dataloader.batch_size', 'train_dataloader.sampler.batch_size'),
    'micro_batch_size': (
        'optim_wrapper.micro_batch_size',
        'train_dataloader.sampler.micro_batch_size',
    ),
    'labeled_ratio': ('train_dataloader.sampler.labeled_ratio',),
    'num_labeled': (
        'train_dataloader.dataset.labeled.num_images',
        'train_dataloader.dataset.unlabeled.first',
    ),
    'per_class': (
        'train_dataloader.dataset.labeled.per_class',
        'train_dataloader.dataset.unlabeled.per_class',
    ),
    'label_seed': (
        'train_dataloader.dataset.labeled.seed',
        'train_dataloader.dataset.unlabeled.seed',
    ),
    'pretrained': ('model.backbone.init_cfg.checkpoint',),
}
# CachedFeatures has a dataset, and a model that computes features, inside.
IMAGES = tuple(f'train_dataloader.dataset.{part}.images' for part in ('labeled', 'unlabeled'))
PLACES['per_class'] += tuple(f'{place}.per_class' for place in IMAGES)
PLACES['label_seed'] += tuple(f'{place}.seed' for place in IMAGES)
PLACES['pretrained'] += tuple(
    f'{dataset}.model.backbone.init_cfg.checkpoint'
    for dataset in (
        'train_dataloader.dataset.labeled',
        'train_dataloader.dataset.unlabeled',
        'val_dataloader.dataset',
        'test_dataloader.dataset',
    )
)
LENGTHS = {'steps': 'max_iters', 'max_epochs': 'max_epochs'}
KNOBS = ('data_root', 'image_size', *PLACES, *LENGTHS)

# Types that have a place for a knob even where the config does not fill it.
OURS = {
    'micro_batch_size': ('AccumOptimWrapper', 'SemiSupSampler'),
    'labeled_ratio': ('SemiSupSampler',),
    'per_class': ('ELPV', 'FashionMNIST'),
    'label_seed': ('ELPV', 'FashionMNIST'),
}


def check_knob(name: str, value: Any) -> None:
    """Refuse a value that a knob cannot have.

    Raises:
        ValueError: With the name and the value.
    """
    number = isinstance(value, int | float) and not isinstance(value, bool)
    whole = isinstance(value, int) and number and value >= 1
    seed = isinstance(value, int) and number and value >= 0

    # All knobs but these are counts.
    valid, expected = {
        'data_root': (isinstance(value, str) and bool(value), 'a folder'),
        'labeled_ratio': (number and 0 <= value <= 1, 'a number from 0 to 1'),
        'label_seed': (seed, 'a whole number of at least 0'),
        'pretrained': (isinstance(value, str) and bool(value), 'a file or an address'),
        'micro_batch_size': (whole or value is None, 'a whole number of at least 1, or None'),
    }.get(name, (whole, 'a whole number of at least 1'))
    if not valid:
        raise ValueError(f'{name} must be {expected}, got {value!r}')


def places_of(cfg: Config, name: str) -> dict[str, Any]:
    """The places of a knob that a config has, by their dotted names, with their present values.

    Raises:
        ValueError: If it has none.
    """
    found: dict[str, Any] = {}
    for place in PLACES[name]:
        *path, key = place.split('.')
        parent: Any = cfg
        for part in path:
            parent = parent.get(part) if isinstance(parent, dict | Config) else None

        if isinstance(parent, dict):
            ours = any(kind in str(parent.get('type')) for kind in OURS.get(name, ()))
            if key in parent or ours:
                found[place] = parent.get(key)

    if not found:
        raise ValueError(
            f'{name} has no place in the config, which has none of {", ".join(PLACES[name])}'
        )
    return found


def replace_root(part: Any, old: str, new: str) -> None:
    """Replace the folder ``old`` at the beginning of all strings in a part of a config."""
    for key, value in list(part.items() if isinstance(part, dict) else enumerate(part)):
        if isinstance(value, str) and (value.rstrip('/') == old or value.startswith(f'{old}/')):
            part[key] = new + value[len(old) :]
        elif isinstance(value, dict | list):
            replace_root(value, old, new)


def data_roots(part: Any) -> Iterator[str]:
    """All values of ``data_root`` in a part of a config."""
    if isinstance(part, dict):
        if isinstance(part.get('data_root'), str):
            yield part['data_root']
        part = list(part.values())
    for value in part if isinstance(part, list) else ():
        yield from data_roots(value)


def set_data_root(cfg: Config, value: str) -> Config:
    """Let all paths of the data begin with another folder than that of the dataloaders.

    Raises:
        ValueError: If the config has no such folder, or several.
    """
    loaders = [cfg[name] for name in LOADERS if cfg.get(name) is not None]
    roots = {root.rstrip('/') for root in data_roots(loaders)}
    if len(roots) != 1:
        raise ValueError(
            f'data_root={value} stands for one folder, but the datasets of the config have '
            f'{", ".join(sorted(roots)) or "none"}: set data_root of each dataset'
        )

    # What kept the old folder would mix two sets of data without a word.
    [old] = roots
    others = [cfg[name] for name in OTHERS if cfg.get(name) is not None]
    replace_root([*loaders, *others], old, value.rstrip('/'))
    return cfg


def resizes(part: Any) -> Iterator[dict]:
    """All transforms ``Resize`` in a part of a config, also within other transforms."""
    if isinstance(part, dict):
        if str(part.get('type')).rpartition('.')[2] == 'Resize':
            yield part
        part = list(part.values())
    for value in part if isinstance(part, list | tuple) else ():
        yield from resizes(value)


def set_image_size(cfg: Config, value: int) -> Config:
    """Let all images for the network be squares of another side.

    Raises:
        ValueError: If the config resizes none.
    """
    found = list(resizes([cfg[name] for name in LOADERS if cfg.get(name) is not None]))
    if not found:
        raise ValueError(
            f'image_size={value} has no place in the config, whose pipelines have no Resize'
        )
    for transform in found:
        transform['scale'] = (value, value)
    return cfg


def set_length(cfg: Config, name: str, value: int) -> Config:
    """Another number of steps or epochs, with all schedules in proportion.

    Raises:
        ValueError: If the config counts the other.
    """
    train_cfg = cfg.get('train_cfg') or {}
    if not train_cfg.get(LENGTHS[name]):
        other = next((knob for knob, key in LENGTHS.items() if train_cfg.get(key)), None)
        hint = f': set {other} instead' if other else ''
        raise ValueError(f'{name}={value}: the config has no train_cfg.{LENGTHS[name]}{hint}')
    return with_length(cfg, value)


def apply_knobs(cfg: Config, knobs: dict[str, Any]) -> Config:
    """A config with the values of knobs carried to their places.

    Raises:
        ValueError: If a value is wrong, or the config has no place for it.
    """
    for name, value in knobs.items():
        check_knob(name, value)

        if name == 'data_root':
            cfg = set_data_root(cfg, value)
        elif name == 'image_size':
            cfg = set_image_size(cfg, value)
        elif name in PLACES:
            cfg.merge_from_dict(dict.fromkeys(places_of(cfg, name), value))
        else:
            cfg = set_length(cfg, name, value)
        cfg[name] = value
    return cfg
