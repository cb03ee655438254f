import math
import time

import pytest

from mmsemiloc.engine import FirstStepsHook
from mmsemiloc.engine.hooks import first_steps_hook
from mmsemiloc.engine.hooks.first_steps_hook import duration, progress_text
from tests.engine.fake_runner import FakeRunner


@pytest.mark.parametrize(
    'seconds, text',
    [
        (0, '0 s'),
        (8, '8 s'),
        (119, '119 s'),
        (120, '2 min'),
        (5000, '83 min'),
        (68400, '19 h'),
        (600 * 3600, '25 days'),
    ],
)
def test_duration(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    'args, text',
    [
        (
            (1, 16900, 4.1, 1.23456),
            'step 1 of 16,900: loss 1.2346, 4.1 s per step, about 19 h left',
        ),
        ((5, 100, 0.0123), 'step 5 of 100: 0.012 s per step, about 1 s left'),
        ((1, 11, 1234.0, math.pi), 'step 1 of 11: loss 3.1416, 1234 s per step, about 3 h left'),
    ],
)
def test_progress_text(args, text):
    assert progress_text(*args) == text


def lines_of(monkeypatch, hook, steps, start=0, seconds=(), total=100):
    """What is logged over some steps, with a clock that stands for the seconds that each takes."""
    lines, now = [], [0.0]
    monkeypatch.setattr(
        first_steps_hook, 'print_log', lambda message, **kwargs: lines.append(message)
    )
    monkeypatch.setattr(time, 'perf_counter', lambda: now[0])
    runner = FakeRunner(None, max_iters=total)
    hook.before_train(runner)
    for i in range(steps):
        runner.iter = start + i
        now[0] += 1000 if i == 0 else 0  # the start of the workers
        hook.before_train_iter(runner, i)
        now[0] += 10 if i == 0 else 2
        runner.message_hub.update_scalar('train/loss', 0.5 + i)
        hook.after_train_iter(runner, i)
    return lines


def test_lines_after_the_first_steps(monkeypatch):
    assert lines_of(monkeypatch, FirstStepsHook(), 30) == [
        'step 1 of 100: loss 0.5000, 10 s per step, about 16 min left',  # the first step is slow
        'step 5 of 100: loss 4.5000, 2 s per step, about 3 min left',
        'step 20 of 100: loss 19.5000, 2 s per step, about 3 min left',
    ]


def test_a_resumed_run_counts_from_where_it_goes_on(monkeypatch):
    assert [
        line.partition(':')[0]
        for line in lines_of(monkeypatch, FirstStepsHook((1, 3)), 5, start=50)
    ] == ['step 51 of 100', 'step 53 of 100']


def test_no_line_at_the_end_of_a_run(monkeypatch):
    assert len(lines_of(monkeypatch, FirstStepsHook(), 5, total=5)) == 1


@pytest.mark.parametrize('step', [0, 1.5, math.nan, '5'])
def test_bad_steps(step):
    with pytest.raises(
        ValueError, match='FirstStepsHook.steps must be a whole number of at least 1, got'
    ):
        FirstStepsHook(steps=[step])
