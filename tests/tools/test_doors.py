"""The doors of the tools import nothing slow, and spell the choices of the modules behind them."""

import subprocess
import sys

import pytest

from benchmarks import command
from mmsemiloc.datasets.splits import BALANCES
from mmsemiloc.models.checkpoints.export import FORMATS
from mmsemiloc.study.transfer import RANDOM
from tests.tools.conftest import ROOT

TOOLS = sorted(path.stem for path in (ROOT / 'tools').glob('*.py') if not path.stem.startswith('_'))
SLOW = {
    'torch',
    'mmengine',
    'mmcv',
    'mmpretrain',
    'mmsemiloc',
    'numpy',
    'rich',
    'matplotlib',
    'cv2',
}
PROBE = """
import os, runpy, sys
sys.argv = sys.argv[1:]
sys.path.insert(0, os.path.dirname(sys.argv[0]))
try:
    runpy.run_path(sys.argv[0], run_name='__main__')
except SystemExit as stop:
    print(stop.code, *sorted({name.partition('.')[0] for name in sys.modules}))
"""


def probe(path, *words):
    """Exit code, imported packages, and lines on stderr of a script."""
    result = subprocess.run(
        [sys.executable, '-c', PROBE, path, *words], capture_output=True, text=True, timeout=60
    )
    status, *modules = result.stdout.splitlines()[-1].split()
    return status, set(modules), result.stderr.splitlines()


@pytest.mark.parametrize('tool', TOOLS)
def test_help_imports_nothing_slow_and_is_quiet(tool):
    status, modules, errors = probe(ROOT / 'tools' / f'{tool}.py', '--help')
    assert status == '0' and not modules & SLOW and not errors


@pytest.mark.parametrize('tool', TOOLS)
def test_wrong_arguments_import_nothing_slow_and_are_one_line(tool):
    status, modules, errors = probe(ROOT / 'tools' / f'{tool}.py', '--no-such-option')
    assert status == '2' and not modules & SLOW
    assert len(errors) == 1 and errors[0].startswith(f'{tool}.py: error: ')


def test_the_probe_sees_what_is_imported(tmp_path):
    """Negative control."""
    (tmp_path / 'x.py').write_text('import numpy\nraise SystemExit(0)\n')
    assert probe(tmp_path / 'x.py')[1] & SLOW == {'numpy'}


def choices(parser, dest):
    """The choices of an argument."""
    return tuple(next(action.choices for action in parser._actions if action.dest == dest))


def test_choices_are_those_of_the_modules(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / 'tools')
    import benchmark as benchmark_door
    import export_backbone
    import make_split
    import transfer

    assert choices(export_backbone.make_parser(), 'to') == tuple(FORMATS)
    assert choices(make_split.make_parser(), 'balance') == BALANCES
    assert set(choices(benchmark_door.make_parser(), 'part')) == set(command.PARTS)
    assert transfer.RANDOM == RANDOM


@pytest.mark.parametrize(
    'tool, args',
    [
        ('study.py', ['mini.py', '--csv', 'FILE/x.csv']),
        ('study.py', ['mini.py', '--plot', 'FILE/deep/x.png']),
        ('transfer.py', ['digits', '--html', 'FILE/x.html']),
        ('predict.py', ['a', 'b', 'c', '--out', 'FILE/x']),
        ('train.py', ['mini.py', '--work-dir', 'FILE']),
        ('test.py', ['a', 'b', '--out', 'FILE/x.json']),
        ('make_split.py', ['a', '--out', 'FILE']),
    ],
)
def test_a_place_of_results_that_cannot_be_written_is_refused_at_once(tool, args, tmp_path):
    file = tmp_path / 'file'
    file.write_text('')
    words = [word.replace('FILE', str(file)) for word in args]
    result = subprocess.run(
        [sys.executable, ROOT / 'tools' / tool, *words], capture_output=True, text=True, timeout=60
    )
    assert result.returncode == 2 and result.stderr.count('\n') == 1
    assert f'{file} is not a folder that can be written' in result.stderr
