"""Schedules, hooks and validations whose time never comes."""

from types import SimpleNamespace

import pytest
import torch
from mmengine.hooks import CheckpointHook, EMAHook
from mmengine.optim import CosineAnnealingLR, LinearLR, MultiStepLR, StepLR

from mmsemiloc.engine import CAMEvolutionHook, LossScheduleHook, MeanTeacherHook
from mmsemiloc.engine.checks.never_begins import check_everything_begins, never_begins
from tests.engine.fake_runner import FakeRunner

OPTIMIZER = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)


def runner(hooks=(), schedulers=(), epochs=1, iterations=100, **loop):
    return FakeRunner(
        None,
        hooks=list(hooks),
        param_schedulers=schedulers,
        max_epochs=epochs,
        max_iters=iterations,
        train_loop=SimpleNamespace(max_epochs=epochs, **loop),
    )


def nbel(**values):
    return LossScheduleHook(dict(nbel=values))


@pytest.mark.parametrize(
    'late, early, words',
    [
        (
            MultiStepLR(OPTIMIZER, milestones=[100, 150], by_epoch=False),
            MultiStepLR(OPTIMIZER, milestones=[99, 150], by_epoch=False),
            'first milestone at 100 of 100 iterations',
        ),
        (
            LinearLR(OPTIMIZER, begin=100, end=120, by_epoch=False),
            LinearLR(OPTIMIZER, begin=99, end=120, by_epoch=False),
            'begins at 100 of 100 iterations',
        ),
        (
            StepLR(OPTIMIZER, step_size=100, by_epoch=False),
            StepLR(OPTIMIZER, step_size=99, by_epoch=False),
            'first step after 100 of 100 iterations',
        ),
        (
            CosineAnnealingLR(OPTIMIZER, T_max=3, begin=1, end=4, by_epoch=True),
            CosineAnnealingLR(OPTIMIZER, T_max=3, begin=0, end=4, by_epoch=True),
            'begins at 1 of 1 epochs',
        ),
    ],
)
def test_schedulers(late, early, words):
    [fault] = never_begins(runner(schedulers=[early, late]), {})
    assert 'param_scheduler 1' in fault and words in fault
    assert never_begins(runner(schedulers=[early]), {}) == []
    assert (
        len(never_begins(runner(schedulers=dict(one=[late], two=[late])), {})) == 2
    )  # of several optimizers


@pytest.mark.parametrize(
    'late, early',
    [
        (nbel(begin=100, end=100), nbel(begin=99, end=99)),
        (
            nbel(begin=99, end=200),
            nbel(begin=98, end=200),
        ),  # linear: begin itself still has the start value
        (MeanTeacherHook(begin_iter=100), MeanTeacherHook(begin_iter=99)),
        (EMAHook(begin_iter=100), EMAHook()),
        (
            CheckpointHook(by_epoch=False, interval=1, save_begin=100),
            CheckpointHook(by_epoch=False, interval=1, save_begin=99),
        ),
        (
            CAMEvolutionHook(interval=101, by_epoch=False),
            CAMEvolutionHook(interval=100, by_epoch=False),
        ),
    ],
)
def test_hooks(late, early):
    assert len(never_begins(runner([early, late]), dict(nbel=0.5))) == 1
    assert never_begins(runner([early]), dict(nbel=0.5)) == []


def test_a_weight_that_is_switched_off_or_stays_is_no_fault():
    assert never_begins(runner([nbel(begin=500, end=500, start_value=0.5)]), dict(nbel=0.5)) == []
    assert never_begins(runner([nbel(begin=500, end=500)]), dict(nbel=0.0)) == []


def test_schedules_of_epochs():
    hook = LossScheduleHook(dict(nbel=dict(begin=3, end=3)), by_epoch=True)
    assert 'begins at 3 of 3 epochs' in never_begins(runner([hook], epochs=3), dict(nbel=1.0))[0]
    assert never_begins(runner([hook], epochs=4), dict(nbel=1.0)) == []


def test_validation():
    fake = runner(val_begin=101)
    assert never_begins(fake, {}) == []  # there is none
    fake.val_loop = SimpleNamespace()
    assert never_begins(fake, {}) == ['validation begins at 101 of 100']


def test_the_error_names_all_and_the_knob():
    hooks = [nbel(begin=100, end=100), MeanTeacherHook(begin_iter=100)]
    with pytest.raises(
        ValueError, match=r"'nbel' begins at 100 of 100.*; MeanTeacherHook .*by steps=\.\.\."
    ):
        check_everything_begins(runner(hooks), dict(nbel=1.0))
    with pytest.raises(ValueError, match=r'by max_epochs=\.\.\.'):
        check_everything_begins(runner(hooks, epochs=2), dict(nbel=1.0))
    check_everything_begins(runner(), {})
