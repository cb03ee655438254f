import pytest

from mmsemiloc.engine import LossScheduleHook
from mmsemiloc.registry import HOOKS
from tests.conftest import make_model
from tests.engine.fake_runner import FakeRunner


def model_with(**schedules):
    """A model whose terms have these schedules."""
    paper = dict(mel='MeanEntropyLoss', nbel='NegativeBatchEntropyLoss', locality='LocalityLoss')
    weights = dict(mel=0.8, nbel=0.5, locality=0.1)
    return make_model(
        head={
            f'loss_{name}': dict(
                type=f'mmsemiloc.{kind}', loss_weight=weights[name], schedule=schedules.get(name)
            )
            for name, kind in paper.items()
        }
    )


def weights_over_a_run(model, steps):
    """The logged weights of MEL, NBEL and Loc at each step."""
    runner, hook, seen = FakeRunner(model, max_iters=steps), LossScheduleHook(), []
    hook.before_train(runner)
    for runner.iter in range(steps):
        hook.before_train_iter(runner, 0)
        seen.append([runner.scalar(f'weight_{name}') for name in ('mel', 'nbel', 'locality')])
        assert seen[-1][1] == model.head.terms['nbel'].loss_weight
    return seen


@pytest.mark.parametrize('scale', [1, 3])
def test_weights_follow_the_schedule_and_are_logged(scale):
    """The same shape in a longer run."""
    model = model_with(
        nbel=dict(begin=2 / 6, end=4 / 6), mel=dict(begin=3 / 6, end=3 / 6, start_value=0.4)
    )
    assert weights_over_a_run(model, 6 * scale)[::scale] == [
        [0.4, 0, 0.1],
        [0.4, 0, 0.1],
        [0.4, 0, 0.1],
        [0.8, 0.25, 0.1],
        [0.8, 0.5, 0.1],
        [0.8, 0.5, 0.1],
    ]


def test_a_second_run_of_the_same_model_begins_anew():
    model = model_with(nbel=dict(begin=0.5))
    first = weights_over_a_run(model, 4)
    assert first == weights_over_a_run(model, 4)
    assert [nbel for _, nbel, _ in first] == [0, 0, 0.5, 0.5]


def test_without_schedules_nothing_is_set_or_logged():
    model = model_with()
    runner, hook = FakeRunner(model, max_iters=4), LossScheduleHook()
    model.head.terms['nbel'].loss_weight = 0.25
    hook.before_train(runner)
    hook.before_train_iter(runner, 0)
    assert model.head.terms['nbel'].loss_weight == 0.25 and not runner.message_hub.log_scalars


@pytest.mark.parametrize(
    'old, words',
    [
        (
            dict(schedule=dict(nbel=dict(begin=100, end=100)), by_epoch=True),
            r'model.head.loss_nbel.schedule=dict\(begin=100 / max_epochs, end=100 / max_epochs\)',
        ),
        (
            dict(schedule=dict(fixmatch=dict(begin=0, end=1500))),
            r'model.head.terms.fixmatch.schedule=dict\(begin=0 / steps, end=1500 / steps\)',
        ),
        (dict(schedule={}), 'beside loss_weight'),
        (dict(by_epoch=False), 'beside loss_weight'),
    ],
)
def test_the_old_form_is_refused_with_the_new_place(old, words):
    with pytest.raises(ValueError, match=words):
        HOOKS.build(dict(type='mmsemiloc.LossScheduleHook', **old))
