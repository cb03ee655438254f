"""Options of a config: what a file or the command line sets has an effect, or is refused.

A name that is neither a section of the config nor a knob (see ``knobs.py``) stands for nothing, and
is refused with the names that work.
"""

import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmsemiloc.commands.config_files import SECTIONS, OwnName, names_without_effect
from mmsemiloc.commands.knobs import KNOBS, PLACES, apply_knobs, check_knob, places_of


def same_places(part: Any, wanted: Any, path: str = '') -> Iterator[str]:
    """Dotted names of the parts of a config that equal a dict or list."""
    if isinstance(part, dict):
        items = list(part.items())
    else:
        items = list(enumerate(part)) if isinstance(part, list | tuple) else []

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
    """What to say of a variable that is used only while its file is read, with names that work.

    Args:
        cfg: The config.
        name: The variable.
        value: What it was when the file was read.
    """
    sections = {key: cfg[key] for key in cfg if key in SECTIONS}
    whole = isinstance(value, dict | list) and value
    places = list(same_places(sections, value))[:3] if whole else []

    remedy = ' or '.join(places) if places else 'the keys that it stands for'
    return (
        f'{name} is used only while its file is read, so another value of it would have no effect: '
        f'set {remedy} instead'
    )


def check_agreement(cfg: Config, own: OwnName, file: Path) -> None:
    """Refuse a file that sets a knob, and one of its places to another value.

    Args:
        cfg: As MMEngine reads it from ``file``.
        own: The knob, as the file assigns it.
        file: The config file.

    Raises:
        ValueError: With the first such place. Applying the knob would overwrite it.
    """
    for place, value in places_of(cfg, own.name).items():
        if value not in (*own.inherited, cfg[own.name]):
            raise ValueError(
                f'{file}: {own.name} = {cfg[own.name]}, but {place} = {value}: set one of them'
            )


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
        if own.name in PLACES and None not in own.inherited:
            check_agreement(cfg, own, file)
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
