"""One short quickstart that the tests of the study tools share."""
import importlib
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parents[2]
STEPS = 6


def run_tool(name, *args, status=0):
    """Run a tool in a process of its own; what it printed to stdout, then to stderr."""
    command = [sys.executable, ROOT / 'tools' / name, *map(str, args)]
    environment = {**os.environ, 'COLUMNS': '200'}
    result = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=ROOT, env=environment)
    assert result.returncode == status, result.stdout + result.stderr
    return result.stdout, result.stderr


@pytest.fixture
def refuse(monkeypatch, capsys):
    """A function that runs a tool in this process and returns the one line by which it refuses its arguments."""
    monkeypatch.syspath_prepend(ROOT / 'tools')

    def run(name, *args):
        monkeypatch.setattr(sys, 'argv', [f'{name}.py', *map(str, args)])
        with pytest.raises(SystemExit) as stop:
            importlib.import_module(name).main()
        output, error = capsys.readouterr()
        assert stop.value.code == 2 and error.startswith(f'{name}.py: error: ') and error.count('\n') == 1 and not output
        return error

    return run


@pytest.fixture
def parse(monkeypatch):
    """A function that parses the arguments of a tool."""
    monkeypatch.syspath_prepend(ROOT / 'tools')
    return lambda name, *args: importlib.import_module(name).make_parser().parse_args(list(map(str, args)))


@pytest.fixture(scope='session')
def quickstart(tmp_path_factory):
    """Its folder, its output and its page."""
    folder = tmp_path_factory.mktemp('quickstart')
    stdout, stderr = run_tool('quickstart.py', '--steps', STEPS, '--seed', 3, '--work-dir', folder)
    return SimpleNamespace(folder=folder, stdout=stdout, stderr=stderr, page=(folder / 'report.html').read_text())
