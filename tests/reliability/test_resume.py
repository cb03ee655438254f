"""A run that is killed and resumed equals the uninterrupted one, bit for bit.

Compared are weights, buffers, optimizer, teacher, running means, sampler, schedules, windows of the
health hook and logged values, all but times. Runs are processes of their own, and really killed.
"""

import random
import signal

import pytest

from tests.reliability.compare import differences
from tests.reliability.conftest import LAST
from tests.reliability.tiny_runs import kill_at, log_of, train

PLACES = ['micro-batch', 'between the passes', 'optimizer step', 'while saving', 'in validation']
ONE_RANK = ['full', 'best', 'ema', 'fixmatch', 'epochs']
KILLED = {-signal.SIGKILL, -signal.SIGALRM}
MOMENTS = 20


def resumed(case, folder, happens, **arguments):
    """Kill a run and resume it; returns the exit codes of both."""
    killed = train(case, folder, happens=happens, **arguments)
    return killed, train(case, folder, resume=True, **arguments)


def check(case, folder, whole, happens, **arguments):
    """A run that is killed, resumed, and compared with the whole one."""
    killed, codes = resumed(case, folder, happens, **arguments)
    assert KILLED & {*killed} and set(codes) == {0}, log_of(folder)[-2000:]
    assert differences(whole, folder, LAST.get(case, 'iter_10.pth')) == []


def test_a_sample(reference, tmp_path):
    whole, _ = reference('full')
    check('full', tmp_path / 'run', whole, kill_at('between the passes', 7))


def test_a_sample_on_two_ranks_with_a_teacher(reference, tmp_path):
    whole, _ = reference('best', ranks=2)
    check('best', tmp_path / 'run', whole, kill_at('micro-batch', 7, rank=1), ranks=2)


@pytest.mark.reliability
@pytest.mark.parametrize('place', PLACES)
@pytest.mark.parametrize('case', ONE_RANK)
def test_each_place(case, place, reference, tmp_path):
    # A checkpoint and a validation are at step 8, or after epoch 2 at step 6.
    step = 8
    if case == 'epochs':
        step = {'while saving': 2, 'in validation': 6}.get(place, 8)
    whole, _ = reference(case)
    check(case, tmp_path / 'run', whole, kill_at(place, step))


@pytest.mark.reliability
@pytest.mark.parametrize('rank', [0, 1])
@pytest.mark.parametrize('place', PLACES)
def test_each_place_on_two_ranks(place, rank, reference, tmp_path):
    if place == 'while saving' and rank:
        pytest.skip('the first rank saves')
    whole, _ = reference('best', ranks=2)
    check('best', tmp_path / 'run', whole, kill_at(place, 8, rank), ranks=2)


@pytest.mark.reliability
@pytest.mark.parametrize('moment', range(MOMENTS))
@pytest.mark.parametrize('case', [*ONE_RANK, 'two ranks'])
def test_random_moments(case, moment, reference, tmp_path):
    arguments = dict(ranks=2) if case == 'two ranks' else {}
    case = 'best' if arguments else case
    reference(case, **arguments)  # the first one starts the server of processes
    whole, seconds = reference(case, **arguments)
    after = random.Random(f'{case} {arguments} {moment}').uniform(0.2, seconds)

    # It may be over before.
    killed = train(case, tmp_path / 'run', happens=after, **arguments)
    codes = train(case, tmp_path / 'run', resume=True, **arguments)
    assert {*killed} & KILLED or {*killed} == {0}
    assert set(codes) == {0}, log_of(tmp_path / 'run')[-2000:]
    assert differences(whole, tmp_path / 'run', LAST.get(case, 'iter_10.pth')) == []


@pytest.mark.reliability
@pytest.mark.parametrize('workers', [2, 4])
def test_any_number_of_workers_gives_the_same_run(workers, reference, tmp_path):
    whole, _ = reference('fixmatch')
    check('fixmatch', tmp_path / 'run', whole, kill_at('micro-batch', 7), workers=workers)


@pytest.mark.reliability
@pytest.mark.parametrize(
    'control, case, arguments',
    [
        ('stock seeding of images', 'full', {}),
        ('stock seeding of steps', 'full', dict(workers=2)),
        ('sampler not skipped', 'full', {}),
        ('window not saved', 'full', {}),
        ('validation not made up for', 'full', {}),
        ('buffers not averaged', 'best', dict(ranks=2)),
    ],
)
def test_without_one_of_its_parts_it_is_another_run(control, case, arguments, reference, tmp_path):
    whole, _ = reference(case, controls=(control,), **arguments)
    killed, codes = resumed(
        case, tmp_path / 'run', kill_at('micro-batch', 10), controls=(control,), **arguments
    )
    assert KILLED & {*killed} and set(codes) == {0}, log_of(tmp_path / 'run')[-2000:]
    assert differences(whole, tmp_path / 'run', 'iter_10.pth')
