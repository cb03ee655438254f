"""Runs that are told to stop save after the present step, and go on as if they had not been."""

import functools
import os
import signal
import time
from pathlib import Path

import pytest

from mmsemiloc.engine.restart import checkpoints, signals
from tests.reliability import tiny_runs
from tests.reliability.compare import differences
from tests.reliability.conftest import LAST
from tests.reliability.tiny_runs import log_of, told_at, train

STOPPED = 143


def check(case, folder, whole, happens, step, **arguments):
    """Stop a run after a step, and resume it."""
    codes = train(case, folder, happens=happens, **arguments)
    assert set(codes) == {STOPPED}, (codes, log_of(folder)[-2000:])
    assert checkpoints.newest_whole(folder).iteration == step
    assert set(train(case, folder, resume=True, **arguments)) == {0}
    assert differences(whole, folder, LAST.get(case, 'iter_10.pth')) == []


@pytest.mark.slow
def test_sigterm_also_to_workers(reference, tmp_path):
    whole, _ = reference('full')
    happens = told_at('micro-batch', 7, signal.SIGTERM)
    check('full', tmp_path / 'run', whole, happens, 7, workers=2)
    assert not (tmp_path / 'run/interrupted.pth').exists()  # a later checkpoint replaced it


@pytest.mark.reliability
@pytest.mark.parametrize('place, step', [('between the passes', 7), ('in validation', 4)])
@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT])
def test_each_signal(number, place, step, reference, tmp_path):
    whole, _ = reference('full')
    # A validation is finished first, and then one more step.
    saved = step + (place == 'in validation')
    check('full', tmp_path / 'run', whole, told_at(place, step, number), saved)


@pytest.mark.reliability
@pytest.mark.parametrize('step', [4, 5, 6])
def test_in_the_middle_and_at_the_end_of_an_epoch(step, reference, tmp_path):
    whole, _ = reference('epochs')
    check('epochs', tmp_path / 'run', whole, told_at('micro-batch', step, signal.SIGTERM), step)


@pytest.mark.reliability
@pytest.mark.parametrize('rank', [0, 1])
def test_all_ranks_stop_after_the_same_step(rank, reference, tmp_path):
    whole, _ = reference('best', ranks=2)
    happens = told_at('between the passes', 6, signal.SIGUSR1, rank)
    check('best', tmp_path / 'run', whole, happens, 6, ranks=2)


def twice(number=signal.SIGINT):
    """A Ctrl-C, its copy from a launcher, and a second one."""
    signals.SAME_CTRL_C = 0.2

    def act():
        tiny_runs.send(number)
        tiny_runs.send(number)
        assert signals.SAME_CTRL_C  # still running
        time.sleep(0.5)
        tiny_runs.send(number)

    return tiny_runs.at_step('micro-batch', 6, act)


@pytest.mark.reliability
def test_the_second_ctrl_c_ends_it_at_once(tmp_path):
    codes = train('full', tmp_path / 'run', happens=twice)
    assert codes == [1] and 'KeyboardInterrupt: stopped at once' in log_of(tmp_path / 'run')
    assert checkpoints.newest_whole(tmp_path / 'run').iteration == 4


def children(pid):
    """Processes whose parent is ``pid``."""
    found = []
    for status in Path('/proc').glob('[0-9]*/stat'):
        try:
            fields = status.read_text().rpartition(')')[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.append(int(status.parent.name))
    return found


def alive(pid):
    try:
        return Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0] != 'Z'
    except OSError:
        return False


def endless():
    """A step that takes for ever."""
    return tiny_runs.at_step('micro-batch', 3, functools.partial(time.sleep, 1000))


@pytest.mark.slow
@pytest.mark.skipif(not Path('/proc').is_dir(), reason='workers end with their process on Linux')
def test_no_worker_is_left_after_a_kill(tmp_path):
    [process] = tiny_runs.start('full', tmp_path / 'run', happens=endless, workers=2)
    end = time.monotonic() + 60
    while len(workers := children(process.pid)) < 2 and time.monotonic() < end:
        time.sleep(0.1)
    assert len(workers) == 2
    os.kill(process.pid, signal.SIGKILL)

    end = time.monotonic() + 20
    while any(map(alive, workers)) and time.monotonic() < end:
        time.sleep(0.1)
    assert not any(map(alive, workers))
