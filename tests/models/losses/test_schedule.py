import pytest

from mmsemiloc.models.losses.schedule import Schedule, make_schedule, ramp


def test_ramp():
    assert [ramp(t, 10, 20, 0.0, 1.0) for t in (0, 10, 15, 20, 99)] == [0, 0, 0.5, 1, 1]
    assert [ramp(t, 10, 10, 0.2, 1.0) for t in (9, 10, 11)] == [0.2, 1, 1]
    assert ramp(0, 0, 0, 0.0, 1.0) == 1


@pytest.mark.parametrize(
    'begin, end, total, steps',
    [
        (3 / 8, 1 / 2, 3000, (1125, 1500)),
        (3 / 8, 1 / 2, 300, (112, 150)),
        (10 / 13, None, 130, (100, 100)),
        (1 / 3, 2 / 3, 9, (3, 6)),
        (0, 1, 7, (0, 7)),
    ],
)
def test_shares_become_whole_steps(begin, end, total, steps):
    assert Schedule(begin, end).steps(total) == steps


@pytest.mark.parametrize('whole', range(1, 200))
def test_a_share_of_whole_numbers_is_that_number(whole):
    """Floating-point shares may come out just below it."""
    for total in (200, 977, 60_000, 450_000):
        assert Schedule(whole / total).steps(total)[0] == whole


def test_the_weight_is_a_switch_without_an_end():
    assert [Schedule(0.5).weight(0.8, step, 4) for step in range(4)] == [0, 0, 0.8, 0.8]
    assert [Schedule(0.5, start_value=0.2).weight(0.8, t, 4) for t in range(4)] == [
        0.2,
        0.2,
        0.8,
        0.8,
    ]


@pytest.mark.parametrize(
    'config, words',
    [
        (dict(begin=100), 'begin of a schedule is a share of the run, from 0 to 1, got 100'),
        (dict(end=1500), 'end=1500 / steps'),
        (dict(begin=1), 'begin of a schedule must be .* below 1'),
        (dict(begin=-0.1), 'begin of a schedule'),
        (dict(begin=0.6, end=0.5), 'end of a schedule must be a finite number between 0.6 and 1'),
        (dict(begin=float('nan')), 'begin of a schedule'),
        (dict(begin='0.5'), 'begin of a schedule'),
        (dict(start_value=-1), 'start_value of a schedule'),
        (dict(start=3), r"keys begin, end, start_value, got \['start'\]"),
    ],
)
def test_bad_schedules(config, words):
    with pytest.raises(ValueError, match=words):
        make_schedule(config)
