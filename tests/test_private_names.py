"""Private names of the OpenMMLab packages are those that CONTRIBUTING.md lists."""

import ast
import importlib
import pkgutil
import re
from pathlib import Path

from mmengine.fileio import LmdbBackend

import mmsemiloc

ROOT = Path(__file__).parents[1]
# PyTorch's, which are no less private but have no public way either.
TORCH = {'_load_from_state_dict', '_save_to_state_dict'}
OTHERS = ('mmengine', 'mmpretrain', 'mmcv', 'mmdet', 'mmseg')


def listed():
    """The names in the table, and the tests beside them."""
    section = (ROOT / 'CONTRIBUTING.md').read_text().partition('## Private names')[2]
    rows = [line for line in section.partition('\n## ')[0].splitlines() if line.startswith('| `')]
    names = {name for row in rows for name in re.findall(r'`(_\w+)`', row.split('|')[1])}
    return names, [row.split('|')[4].strip(' `') for row in rows]


def private_names_of_others():
    """Every private attribute that some class of these packages defines."""
    found = set()
    for info in pkgutil.walk_packages(mmsemiloc.__path__, 'mmsemiloc.'):
        module = importlib.import_module(info.name)
        for value in vars(module).values():
            for base in (*getattr(value, '__mro__', ()), LmdbBackend):
                if base.__module__.split('.')[0] in OTHERS:
                    found |= {name for name in vars(base) if re.match(r'_[a-z]', name)}
                    found |= assigned_in(base)
    return found


def assigned_in(kind):
    """Private attributes that the methods of a class assign to ``self``."""
    names = set()
    for function in vars(kind).values():
        code = getattr(function, '__code__', None)
        names |= {name for name in getattr(code, 'co_names', ()) if re.match(r'_[a-z]', name)}
    return names


def used():
    """Private attributes that the package reads, calls or overrides, by name."""
    found = set()
    for file in (ROOT / 'mmsemiloc').rglob('*.py'):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Attribute) and re.match(r'_[a-z]', node.attr):
                found.add(node.attr)
            if isinstance(node, ast.FunctionDef) and re.match(r'_[a-z]', node.name):
                found.add(node.name)
    return found


def test_the_list_is_complete_and_names_tests_that_exist():
    names, tests = listed()
    assert used() & private_names_of_others() - TORCH == names
    assert all((ROOT / test).is_file() for test in tests) and len(tests) >= 5
