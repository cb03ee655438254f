"""Numbers that can never be meant are refused where they are given."""

import math

import pytest
import torch

from mmsemiloc.engine import (
    AccumOptimWrapper,
    AmpAccumOptimWrapper,
    CAMEvolutionHook,
    MeanTeacherHook,
)
from mmsemiloc.models import DistributionAlignment, Term
from mmsemiloc.registry import MODELS

LOSSES = (
    'MeanEntropyLoss',
    'NegativeBatchEntropyLoss',
    'LocalityLoss',
    'PseudoLabelLoss',
    'FixMatchLoss',
    'SelfAdaptiveFairnessLoss',
    'SoftConsistencyLoss',
    'TransformConsistencyLoss',
)
BAD = (math.nan, math.inf, -0.1, '1', None, True)


@pytest.mark.parametrize('value', BAD)
@pytest.mark.parametrize('loss', LOSSES)
def test_weights_of_losses(loss, value):
    with pytest.raises(
        ValueError, match=f'loss_weight must be a finite number of at least 0, got {value!r}'
    ):
        MODELS.build(dict(type=f'mmsemiloc.{loss}', loss_weight=value))
    assert MODELS.build(dict(type=f'mmsemiloc.{loss}', loss_weight=0)).loss_weight == 0


@pytest.mark.parametrize(
    'loss, kwargs',
    [
        ('NegativeBatchEntropyLoss', dict(estimator='ema', momentum=math.nan)),
        ('NegativeBatchEntropyLoss', dict(prior=[0.5, math.nan])),
        ('NegativeBatchEntropyLoss', dict(prior=[0.5, math.inf])),
        ('PseudoLabelLoss', dict(threshold=math.nan)),
        ('FixMatchLoss', dict(threshold=math.nan)),
        ('FixMatchLoss', dict(alignment=dict(momentum=math.nan))),
        ('SoftConsistencyLoss', dict(temperature=-math.inf)),
        ('SoftConsistencyLoss', dict(temperature=math.nan)),
        ('SoftConsistencyLoss', dict(temperature=0)),
    ],
)
def test_other_numbers_of_losses(loss, kwargs):
    with pytest.raises(ValueError, match='nan|inf|0'):
        MODELS.build(dict(type=f'mmsemiloc.{loss}', **kwargs))


class TermOfOnesOwn(Term):
    """A term that checks nothing itself."""

    def __init__(self, loss_weight):
        super().__init__()
        self.loss_weight = loss_weight

    def compute(self, predictions):
        return {}


@pytest.mark.parametrize('value', BAD)
def test_weights_of_a_head(value):
    head = dict(type='mmsemiloc.CAMClsHead', num_classes=3, in_channels=4)
    with pytest.raises(ValueError, match=f"loss_weight of term 'own' must be .*got {value!r}"):
        MODELS.build(dict(head, terms=dict(own=dict(type=TermOfOnesOwn, loss_weight=value))))
    with pytest.raises(ValueError, match=f'loss.loss_weight must be .*got {value!r}'):
        MODELS.build(dict(head, loss=dict(type='CrossEntropyLoss', loss_weight=value)))


def test_class_weights():
    with pytest.raises(ValueError, match='loss.class_weight must be .*got nan'):
        MODELS.build(
            dict(
                type='mmsemiloc.CAMClsHead',
                num_classes=2,
                in_channels=4,
                loss=dict(type='CrossEntropyLoss', class_weight=[1.0, math.nan]),
            )
        )


def optimizer():
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)


@pytest.mark.parametrize(
    'build, words',
    [
        (
            lambda: AccumOptimWrapper(optimizer=optimizer(), micro_batch_size=2.5),
            'micro_batch_size must be a whole number',
        ),
        (
            lambda: AccumOptimWrapper(optimizer=optimizer(), micro_batch_size=0),
            'micro_batch_size.*got 0',
        ),
        (
            lambda: AccumOptimWrapper(
                optimizer=optimizer(), micro_batch_size=2, nbel_batch_size=math.nan
            ),
            'nbel_batch_size',
        ),
        (
            lambda: AmpAccumOptimWrapper(
                optimizer=optimizer(), dtype='float16', init_scale=math.nan
            ),
            'init_scale.*got nan',
        ),
        (
            lambda: AmpAccumOptimWrapper(optimizer=optimizer(), dtype='float16', init_scale=0),
            'init_scale.*got 0',
        ),
        (lambda: MeanTeacherHook(momentum=math.nan), 'momentum.*got nan'),
        (lambda: CAMEvolutionHook(interval=0.5), 'interval of CAMEvolutionHook.*got 0.5'),
        (lambda: CAMEvolutionHook(num_strips=-1), 'num_strips of CAMEvolutionHook.*got -1'),
        (lambda: DistributionAlignment(momentum=math.nan), 'momentum.*got nan'),
    ],
)
def test_numbers_of_hooks_and_wrappers(build, words):
    with pytest.raises(ValueError, match=words):
        build()
