import pytest

from mmsemiloc.engine import LossScheduleHook
from mmsemiloc.engine.hooks.loss_schedule_hook import ramp
from tests.conftest import make_model
from tests.engine.fake_runner import FakeRunner


def test_ramp():
    assert [ramp(t, 10, 20, 0.0, 1.0) for t in (0, 10, 15, 20, 99)] == [0, 0, 0.5, 1, 1]
    assert [ramp(t, 10, 10, 0.2, 1.0) for t in (9, 10, 11)] == [0.2, 1, 1]
    assert ramp(0, 0, 0, 0.0, 1.0) == 1


@pytest.mark.parametrize('by_epoch', [False, True])
def test_weights_follow_the_schedule_and_are_logged(by_epoch):
    runner = FakeRunner(make_model(mel=0.8, nbel=0.5, locality=0.1))
    hook = LossScheduleHook(
        dict(nbel=dict(begin=2, end=4), mel=dict(begin=3, end=3, start_value=0.4)),
        by_epoch=by_epoch,
    )
    hook.before_train(runner)
    seen = []
    for progress in range(6):
        setattr(runner, 'epoch' if by_epoch else 'iter', progress)
        hook.before_train_iter(runner, 0)
        seen.append([runner.scalar(f'weight_{name}') for name in ('mel', 'nbel', 'locality')])
        assert seen[-1][1] == runner.model.head.terms['nbel'].loss_weight
    assert seen == [
        [0.4, 0, 0.1],
        [0.4, 0, 0.1],
        [0.4, 0, 0.1],
        [0.8, 0.25, 0.1],
        [0.8, 0.5, 0.1],
        [0.8, 0.5, 0.1],
    ]


@pytest.mark.parametrize(
    'schedule', [dict(mel=dict(begin=5, end=3)), dict(mel=dict(start=3)), dict(mel=dict(begin=-1))]
)
def test_bad_schedules(schedule):
    with pytest.raises(ValueError, match="schedule of 'mel'"):
        LossScheduleHook(schedule)


def test_unknown_terms_are_named():
    with pytest.raises(ValueError, match=r"no terms \['nebl'\]"):
        LossScheduleHook(dict(nebl=dict(begin=0, end=1))).before_train(FakeRunner(make_model()))
