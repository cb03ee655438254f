"""Schedules, hooks and validations whose time never comes."""

from types import SimpleNamespace

import pytest
import torch
from mmengine.hooks import CheckpointHook, EMAHook
from mmengine.optim import CosineAnnealingLR, LinearLR, MultiStepLR, StepLR

from mmsemiloc.engine import CAMEvolutionHook, MeanTeacherHook
from mmsemiloc.engine.checks.never_begins import check_everything_begins, never_begins
from mmsemiloc.models import NegativeBatchEntropyLoss
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


def nbel(weight=0.5, **schedule):
    return dict(nbel=NegativeBatchEntropyLoss(weight, schedule=schedule or None))


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
    assert len(never_begins(runner([early, late]), {})) == 1
    assert never_begins(runner([early]), {}) == []


def test_schedules_of_losses():
    """In a ramp, its first step still has the start value."""
    late = never_begins(runner(), nbel(begin=0.99, end=1))
    assert late == ["the schedule of loss term 'nbel' begins at 99 of 100 iterations"]
    assert never_begins(runner(), nbel(begin=0.98, end=1)) == []
    assert never_begins(runner(), nbel(begin=0.99)) == []
    assert never_begins(runner(), nbel()) == []


def test_a_weight_that_is_switched_off_or_stays_is_not_a_fault():
    assert never_begins(runner(), nbel(begin=0.99, end=1, start_value=0.5)) == []
    assert never_begins(runner(), nbel(0.0, begin=0.99, end=1)) == []


def test_validation():
    fake = runner(val_begin=101)
    assert never_begins(fake, {}) == []  # there is none
    fake.val_loop = SimpleNamespace()
    assert never_begins(fake, {}) == ['validation begins at 101 of 100']


def test_the_error_names_all_and_the_knob():
    hooks, terms = [MeanTeacherHook(begin_iter=100)], nbel(begin=0.99, end=1)
    with pytest.raises(
        ValueError, match=r"MeanTeacherHook .*; .*'nbel' begins at 99 of 100.*by steps=\.\.\."
    ):
        check_everything_begins(runner(hooks), terms)
    with pytest.raises(ValueError, match=r'by max_epochs=\.\.\.'):
        check_everything_begins(runner(hooks, epochs=2), terms)
    check_everything_begins(runner(), {})
