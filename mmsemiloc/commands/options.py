"""Options of a config: what a file or the command line sets has an effect, or is refused.

The configs of OpenMMLab are Python files. A variable at the top of one (``batch_size = 64``) is
used while that file is read, so in a file that inherits it, or by ``--cfg-options batch_size=4``, a
change of the variable alone would change nothing. Here such a *knob* is carried to the places that
it stands for; a name that stands for nothing is refused.
"""

import ast
import difflib
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.config.utils import MODULE2PACKAGE
from mmengine.runner import Runner
from mmengine.utils import get_installed_path

from mmsemiloc.study.steps import with_length

# What MMEngine and MMPretrain read of a config beside the arguments of the runner.
OTHER_SECTIONS = (
    'activation_checkpointing',
    'auto_scale_lr',
    'compile',
    'custom_imports',
    'efficient_conv_bn_eval',
    'find_unused_parameters',
    'model_wrapper_cfg',
    'runner_type',
    'sync_bn',
    'tta_model',
    'tta_pipeline',
)
SECTIONS = {*inspect.signature(Runner.__init__).parameters, *OTHER_SECTIONS} - {'self', 'cfg'}
LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')

# The places of a knob, of which those that the config has are set. A sampler or wrapper of another
# type than ours has no place for ours.
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
}
LENGTHS = {'steps': 'max_iters', 'max_epochs': 'max_epochs'}
KNOBS = ('data_root', *PLACES, *LENGTHS)
OURS = {
    'micro_batch_size': ('AccumOptimWrapper', 'SemiSupSampler'),
    'labeled_ratio': ('SemiSupSampler',),
}
CLOSE = 0.9  # similarity of a misspelt name to that of a section


@dataclass(frozen=True)
class OwnName:
    """A top-level name of a config file that nothing reads from there.

    Attributes:
        name: The name.
        inherited: The plain values that the files which are inherited give it.
        known: Whether one of these files has the name.
    """

    name: str
    inherited: list
    known: bool


def check_knob(name: str, value: Any) -> None:
    """Refuse a value that a knob cannot have.

    Raises:
        ValueError: With the name and the value.
    """
    number = isinstance(value, int | float) and not isinstance(value, bool)
    whole = isinstance(value, int) and number and value >= 1
    valid, expected = {
        'data_root': (isinstance(value, str) and bool(value), 'a folder'),
        'labeled_ratio': (number and 0 <= value <= 1, 'a number from 0 to 1'),
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
    """Replace the folder ``old`` at the beginning of all strings of a part of a config, in place."""
    for key, value in list(part.items() if isinstance(part, dict) else enumerate(part)):
        if isinstance(value, str) and (value.rstrip('/') == old or value.startswith(f'{old}/')):
            part[key] = new + value[len(old) :]
        elif isinstance(value, dict | list):
            replace_root(value, old, new)


def data_roots(part: Any) -> Iterator[str]:
    """All values of ``data_root`` in a part of a config."""
    if isinstance(part, dict) and isinstance(part.get('data_root'), str):
        yield part['data_root']
    for value in (
        part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
    ):
        yield from data_roots(value)


def set_data_root(cfg: Config, value: str) -> Config:
    """Let the paths of all dataloaders that begin with the config's one folder of data begin with
    another one.

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
    [old] = roots
    replace_root(loaders, old, value.rstrip('/'))
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
        elif name in PLACES:
            cfg.merge_from_dict(dict.fromkeys(places_of(cfg, name), value))
        else:
            cfg = set_length(cfg, name, value)
        cfg[name] = value
    return cfg


def same_places(part: Any, wanted: Any, path: str = '') -> Iterator[str]:
    """Dotted names of the parts of a config that equal a dict or list."""
    items = (
        part.items()
        if isinstance(part, dict)
        else enumerate(part)
        if isinstance(part, list | tuple)
        else ()
    )
    for key, value in items:
        name = f'{path}.{key}' if path else str(key)
        if value == wanted:
            yield name
        else:
            yield from same_places(value, wanted, name)


def unknown_key(name: str) -> str:
    """What to say of a name that is neither a section nor a knob."""
    close = difflib.get_close_matches(name, [*SECTIONS, *KNOBS], n=1)
    return f'unknown top-level key {name!r}' + (f'; did you mean {close[0]}?' if close else '')


def without_effect(cfg: Config, name: str, value: Any) -> str:
    """What to say of a variable that is used only while its file is read, with the names that work.

    Args:
        cfg: The config.
        name: The variable.
        value: What it was when the file was read.
    """
    sections = {key: cfg[key] for key in cfg if key in SECTIONS}
    places = (
        list(same_places(sections, value))[:3] if isinstance(value, dict | list) and value else []
    )
    remedy = ' or '.join(places) if places else 'the keys that it stands for'
    return (
        f'{name} is used only while its file is read, so another value of it would have no effect: '
        f'set {remedy} instead'
    )


def top_level_names(tree: ast.Module) -> tuple[dict[str, ast.expr | None], set[str], set[str]]:
    """Names that a config file assigns at its top (with the value, if that is one), reads, and
    reads as ``_base_.name``.
    """
    assigned: dict[str, ast.expr | None] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign):
            targets, value = node.targets, node.value
        elif isinstance(node, ast.AnnAssign | ast.AugAssign):
            targets, value = [node.target], None
        else:
            continue
        for target in targets:
            for part in ast.walk(target):
                if isinstance(part, ast.Name):
                    assigned[part.id] = value if part is target else None
    read = {
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }
    of_base = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == '_base_'
    }
    return assigned, read, of_base


def base_file(file: Path, base: str) -> Path:
    """The file that ``_base_ = base`` in a config file means."""
    package, colons, inner = base.rpartition('::')
    if not colons:
        return file.parent / base
    return Path(get_installed_path(MODULE2PACKAGE[package])) / '.mim' / 'configs' / inner


def syntax_trees(file: Path) -> list[ast.Module]:
    """The syntax trees of a config file and of those that it inherits, the file itself first.

    One that cannot be found, or is not plain Python before MMEngine fills in variables of the
    environment, is left out.
    """
    try:
        tree = ast.parse(file.read_text(encoding='utf-8'))
    except (SyntaxError, OSError, UnicodeDecodeError):
        return []
    trees = [tree]
    value = top_level_names(tree)[0].get('_base_')
    for part in ast.walk(value) if value is not None else ():
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            try:
                trees += syntax_trees(base_file(file, part.value))
            except Exception:  # a package that is not installed: MMEngine will say so, or has read the file already
                continue
    return trees


def plain_value(node: ast.expr | None) -> Any:
    """The value of a literal, or of ``dict(name=literal, ...)``; None of anything else."""
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == 'dict'
        and not node.args
    ):
        return {str(keyword.arg): plain_value(keyword.value) for keyword in node.keywords}
    try:
        return None if node is None else ast.literal_eval(node)
    except ValueError:
        return None


def names_without_effect(file: Path) -> list[OwnName]:
    """Top-level names that a config file, or one that it inherits, assigns though nothing reads
    them from there.

    ``batch_size = 4`` in a file that inherits is such a name: what it inherits has been read by
    then. What a file at the bottom, which inherits nothing, offers to others (pipelines, say) is
    none, unless it is a section misspelt.
    """
    trees = syntax_trees(file)
    tables = [top_level_names(tree) for tree in trees]
    found: dict[str, OwnName] = {}
    read_above: set[str] = set()  # as _base_.name, by files that inherit
    settled: set[str] = set()  # assigned by files that inherit

    for level, (assigned, read, of_base) in enumerate(tables):
        below = [table[0] for table in tables[level + 1 :]]
        for name in sorted(assigned.keys() - read - read_above - settled - SECTIONS - {'_base_'}):
            known = [names[name] for names in below if name in names]
            misspelt = bool(difflib.get_close_matches(name, SECTIONS, n=1, cutoff=CLOSE))
            if known or misspelt or (level == 0 and '_base_' in assigned):
                found[name] = OwnName(name, [plain_value(node) for node in known], bool(known))
        settled |= assigned.keys()
        read_above |= of_base
    return list(found.values())


def knobs_of_file(cfg: Config, file: Path) -> dict[str, Any]:
    """The knobs that a config's own file turns without effect so far.

    Raises:
        ValueError: If a name of the file is unknown or can have no effect, or if the file
            contradicts itself.
    """
    knobs = {}
    for own in names_without_effect(file):
        if own.name not in KNOBS:
            value = own.inherited[0] if own.known else None
            problem = without_effect(cfg, own.name, value) if own.known else unknown_key(own.name)
            raise ValueError(f'{file}: {problem}')
        knobs[own.name] = cfg[own.name]
        check_knob(own.name, cfg[own.name])

        # What a section of the same file says otherwise would be lost.
        if own.name in PLACES and None not in own.inherited:
            for place, value in places_of(cfg, own.name).items():
                if value not in (*own.inherited, cfg[own.name]):
                    raise ValueError(
                        f'{file}: {own.name} = {cfg[own.name]}, but {place} = {value}: set one of '
                        'them'
                    )
    return knobs


def with_options(cfg: Config, file: Path, options: dict[str, Any]) -> Config:
    """A config with the knobs of its own file, then the options of the command line.

    Args:
        cfg: As MMEngine reads it from ``file``.
        file: The config file.
        options: By their dotted names.

    Raises:
        ValueError: If a name, in the file or on the command line, would have no effect, or its
            value is wrong.
    """
    cfg = apply_knobs(cfg, knobs_of_file(cfg, file))

    for name, value in options.items():
        top = name.partition('.')[0]
        if name not in KNOBS and top not in SECTIONS:
            problem = without_effect(cfg, top, cfg[top]) if top in cfg else unknown_key(top)
            raise ValueError(f'--cfg-options {name}={value}: {problem}')
    cfg = apply_knobs(cfg, {name: value for name, value in options.items() if name in KNOBS})
    cfg.merge_from_dict({name: value for name, value in options.items() if name not in KNOBS})
    return cfg
