"""A kill or a full disk while a checkpoint is saved leaves one that a run goes on from."""

import functools
import random
import resource
import signal

import pytest

from mmsemiloc.engine.restart.checkpoints import checkpoints_in, newest_whole
from tests.reliability import tiny_runs
from tests.reliability.compare import differences
from tests.reliability.tiny_runs import log_of, train

PHASES = ['beside', 'whole', 'renamed', 'told']
KILLS, OFTEN = 100, {'default_hooks.checkpoint.interval': 1}


def small_disk(size):
    """No file may be larger than ``size`` bytes; stands for a full disk."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    return []


def full_from_step_7():
    """A checkpoint has 90 kB."""
    return tiny_runs.at_step('micro-batch', 7, functools.partial(small_disk, 60_000))


@pytest.mark.slow
def test_a_full_disk_leaves_the_last_checkpoint(reference, tmp_path):
    folder = tmp_path / 'run'
    assert train('full', folder, happens=full_from_step_7) == [1]
    errors = [line for line in log_of(folder).splitlines() if line.startswith('OSError')]
    assert 'cannot write it' in errors[-1] and 'iter_8.pth' in errors[-1]

    # Nothing torn is left, and it goes on when there is room again.
    assert not list(folder.glob('*.partial')) and newest_whole(folder).iteration == 4
    assert train('full', folder, resume=True) == [0]
    assert differences(reference('full')[0], folder, 'iter_10.pth') == []


@pytest.mark.reliability
@pytest.mark.parametrize('number', range(KILLS))
def test_a_kill_while_saving(number, tmp_path, reference):
    chance = random.Random(number)
    phase, step = PHASES[number % len(PHASES)], chance.randint(2, 9)
    happens = functools.partial(tiny_runs.in_save, step, chance.uniform(0, 0.99), phase)
    folder = tmp_path / 'run'
    assert train('full', folder, happens=happens, **OFTEN) == [-signal.SIGKILL]

    # The newest whole one is at most one step behind.
    found = newest_whole(folder)
    assert found.iteration in (step - 1, step)
    assert found.path == checkpoints_in(folder)['iter'][0]

    # Some of them train to their end.
    if number % 10 == 0:
        assert train('full', folder, resume=True, **OFTEN) == [0]
        whole, _ = reference('full', **OFTEN)
        assert differences(whole, folder, 'iter_10.pth') == []
