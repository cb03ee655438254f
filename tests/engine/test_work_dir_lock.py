"""Two runs in one work dir: the second one is refused, and a killed one holds nothing."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mmengine.config import Config

from mmsemiloc.engine.work_dir_lock import LOCK, locked
from tests.tools.test_loading import folder, tool  # noqa: F401  (fixtures)

HOLDER = """
import os, sys, time
from mmengine.config import Config
from mmsemiloc.engine.work_dir_lock import locked
with locked(Config(dict(work_dir=sys.argv[1]))):
    child = os.fork()  # a worker, which outlives a kill of its parent
    if child == 0:
        time.sleep(60)
        os._exit(0)
    print(child, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def hold():
    """A function that starts another process that holds a folder: it, and its child."""
    started = []

    def start(path):
        process = subprocess.Popen(
            [sys.executable, '-c', HOLDER, str(path.absolute())],
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        child = int(next(line for line in process.stdout if line.strip().isdigit()))
        started.extend((process.pid, child))
        return process, child

    yield start
    for number in started:
        try:
            os.kill(number, signal.SIGKILL)
        except ProcessLookupError:
            pass


def config(path, **kwargs):
    return Config(dict(work_dir=str(path), **kwargs))


def is_alive(number):
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    return True


def test_the_second_run_is_refused_and_a_kill_frees_the_folder(hold, tmp_path):
    process, child = hold(tmp_path)
    with pytest.raises(
        ValueError, match=f'another run trains in {tmp_path} .process {process.pid}'
    ):
        with locked(config(tmp_path)):
            raise AssertionError('two runs')
    with locked(config(tmp_path / 'other')):
        pass

    process.kill()
    process.wait()
    assert is_alive(child)  # what is left of the killed run holds nothing
    with locked(config(tmp_path)):
        assert (tmp_path / LOCK).read_text().startswith(f'process {os.getpid()} on ')


def test_a_run_that_has_ended_holds_nothing(tmp_path):
    for _ in range(2):
        with locked(config(tmp_path)):
            pass
    with pytest.raises(KeyError), locked(config(tmp_path)):
        raise KeyError
    with locked(config(tmp_path)):
        pass


def test_the_processes_of_one_run_are_one_run(hold, tmp_path, monkeypatch):
    hold(tmp_path)
    for launcher, name in (('pytorch', 'RANK'), ('slurm', 'SLURM_PROCID')):
        monkeypatch.setenv(name, '1')
        with locked(config(tmp_path, launcher=launcher)):
            pass
        monkeypatch.setenv(name, '0')  # negative control
        with pytest.raises(ValueError, match='another run'):
            with locked(config(tmp_path, launcher=launcher)):
                pass


@pytest.mark.slow
def test_the_tools(hold, folder, tool):  # noqa: F811
    """Training is refused before the folder is touched; a test reads it."""
    assert tool('train', 'mini.py')[0] == 0
    before = {path for path in (folder / 'work_dirs').rglob('*')}
    hold(folder / 'work_dirs/mini')
    start = time.monotonic()
    code, line = tool('train', 'mini.py', '--resume')
    assert code == 2 and line.startswith('train.py: error: another run trains in work_dirs/mini')
    assert time.monotonic() - start < 10
    assert {path for path in (folder / 'work_dirs').rglob('*')} == before
    assert tool('test', 'mini.py', 'work_dirs/mini/iter_2.pth')[0] == 0
