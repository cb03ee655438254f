"""The names in a config's files, read without running them."""

import ast
import difflib
import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config.utils import MODULE2PACKAGE
from mmengine.runner import Runner
from mmengine.utils import get_installed_path

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
CLOSE = 0.9  # similarity of a misspelt name to that of a section


@dataclass(frozen=True)
class OwnName:
    """A top-level name of a config file that nothing reads from there.

    Attributes:
        name: The name.
        inherited: The plain values that the inherited files give it.
        known: Whether one of these files has the name.
    """

    name: str
    inherited: list
    known: bool


@dataclass(frozen=True)
class FileNames:
    """What a config file does with names.

    Attributes:
        assigned: Names that it assigns at its top, each with the expression, or None where the
            value is more than one expression (``a, b = ...``, ``a += ...``).
        read: Names that it reads.
        of_base: Names that it reads as ``_base_.name``.
    """

    assigned: dict[str, ast.expr | None]
    read: set[str]
    of_base: set[str]


def assigned_names(tree: ast.Module) -> Iterator[tuple[str, ast.expr | None]]:
    """Each name that a file assigns at its top, with the expression if it is the whole value."""
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
                    yield part.id, value if part is target else None


def names_in(tree: ast.Module) -> FileNames:
    """The names in the syntax tree of a config file."""
    nodes = list(ast.walk(tree))
    return FileNames(
        assigned=dict(assigned_names(tree)),
        read={n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)},
        of_base={
            n.attr
            for n in nodes
            if isinstance(n, ast.Attribute)
            and isinstance(n.value, ast.Name)
            and n.value.id == '_base_'
        },
    )


def base_file(file: Path, base: str) -> Path:
    """The file that ``_base_ = base`` in a config file means."""
    package, colons, inner = base.rpartition('::')
    if not colons:
        return file.parent / base
    return Path(get_installed_path(MODULE2PACKAGE[package])) / '.mim' / 'configs' / inner


def names_of_files(file: Path) -> list[FileNames]:
    """The names of a config file and of those that it inherits, the file itself first.

    A file is left out if it cannot be found, or is not plain Python before MMEngine fills in
    variables of the environment.
    """
    try:
        names = names_in(ast.parse(file.read_text(encoding='utf-8')))
    except (SyntaxError, OSError, UnicodeDecodeError):
        return []

    found = [names]
    bases = names.assigned.get('_base_')
    for part in ast.walk(bases) if bases is not None else ():
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            try:
                found += names_of_files(base_file(file, part.value))
            except Exception:
                # A package that is not installed: MMEngine says so, or has read the file already.
                continue
    return found


def plain_value(node: ast.expr | None, assigned: Mapping[str, ast.expr | None]) -> Any:
    """The value of a literal, a quotient (``3 / 8``) or ``dict(name=literal, ...)``; else None.

    Args:
        node: The expression.
        assigned: Expressions of the names that it may use, as in ``dict(schedule=ramp)``.
    """
    # A name may not use itself, or reading it would never end.
    if isinstance(node, ast.Name):
        others = {name: value for name, value in assigned.items() if name != node.id}
        return plain_value(assigned.get(node.id), others)

    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        parts = [plain_value(part, assigned) for part in (node.left, node.right)]
        numbers = all(isinstance(part, int | float) for part in parts) and parts[1]
        return parts[0] / parts[1] if numbers else None

    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == 'dict'
        and not node.args
    ):
        return {str(item.arg): plain_value(item.value, assigned) for item in node.keywords}

    try:
        return None if node is None else ast.literal_eval(node)
    except ValueError:
        return None


def names_without_effect(file: Path) -> list[OwnName]:
    """Top-level names that a config file, or one that it inherits, assigns in vain.

    ``batch_size = 4`` in a file that inherits is such a name: what it inherits has been read by
    then. What a file that inherits nothing offers to others (pipelines, say) is not one, unless it
    is a misspelt section.
    """
    tables = names_of_files(file)
    found: dict[str, OwnName] = {}
    read_above: set[str] = set()  # as _base_.name, by files that inherit
    settled: set[str] = set()  # assigned by files that inherit

    for level, names in enumerate(tables):
        below = [table.assigned for table in tables[level + 1 :]]
        unread = names.assigned.keys() - names.read - read_above - settled - SECTIONS - {'_base_'}
        for name in sorted(unread):
            known = [plain_value(table[name], table) for table in below if name in table]
            misspelt = bool(difflib.get_close_matches(name, SECTIONS, n=1, cutoff=CLOSE))
            if known or misspelt or (level == 0 and '_base_' in names.assigned):
                found[name] = OwnName(name, known, bool(known))

        settled |= names.assigned.keys()
        read_above |= names.of_base
    return list(found.values())
