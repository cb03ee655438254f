import copy

import pytest
import torch
from mmengine.model import convert_sync_batchnorm
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmsemiloc.engine import AccumOptimWrapper, SemiSupDistributedDataParallel
from mmsemiloc.models.freezing import freeze, keep_at_rest
from mmsemiloc.registry import MODELS
from tests.conftest import make_batch, make_model
from tests.engine.hooks.test_mean_teacher_hook import config

LABELS = [1, None, 2, None]


def frozen_model(frozen=(), trainable='all', **kwargs):
    """A tiny classifier with frozen parts, and dropout in its backbone."""
    parts = dict(frozen=frozen, trainable=trainable)
    return make_model(mel=0.5, nbel=0.5, locality=0.1, drop_rate=0.2, **parts, **kwargs).train()


def trained(model, steps=2, wrap=lambda model: model, micro_batch_size=2):
    """Names of the entries of the state dict that training has changed."""
    before = copy.deepcopy(model.state_dict())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1)
    wrapper, wrapped = AccumOptimWrapper(micro_batch_size, optimizer=optimizer), wrap(model)
    for step in range(steps):
        wrapped.train()
        wrapped.train_step(make_batch(LABELS, seed=step), wrapper)
    return {
        name for name, value in model.state_dict().items() if not torch.equal(before[name], value)
    }


def below(model, *prefixes):
    """Names of the entries of the state dict that are inside of modules."""
    starts = tuple(f'{prefix}.' for prefix in prefixes)
    return {name for name in model.state_dict() if name.startswith(starts)}


FROZEN = [['head'], ['backbone'], ['backbone.stages.0', 'head.fc'], ['backbone.stages.1.block.0']]


@pytest.mark.parametrize('frozen', FROZEN, ids=', '.join)
def test_frozen_modules_keep_weights_and_statistics_and_the_rest_does_not(frozen):
    model = frozen_model(frozen)
    changed = trained(model)
    assert changed == set(model.state_dict()) - below(model, *frozen)
    assert trained(make_model(mel=0.5, nbel=0.5)) >= below(model, *frozen)  # negative control


def test_only_what_is_trained_needs_gradients():
    model = frozen_model(['backbone.stem'])
    needed = {name for name, value in model.named_parameters() if value.requires_grad}
    assert needed == {name for name, _ in model.named_parameters()} - below(model, 'backbone.stem')
    assert all(value.requires_grad for value in frozen_model().parameters())


def test_frozen_parts_rest_in_training_mode_and_terms_do_not():
    ema = dict(type='mmsemiloc.NegativeBatchEntropyLoss', estimator='ema')
    model = frozen_model(['head', 'backbone.stages.0'], head=dict(loss_nbel=ema))
    for module in (model.head, model.head.fc, *model.backbone.stages[0].modules()):
        assert not module.training
    assert model.backbone.stages[1].training and model.head.terms.nbel.training
    trained(model)
    assert model.head.terms.nbel.running_mean.log_past is not None  # it follows the predictions
    assert not any(module.training for module in model.eval().modules())


def test_modules_that_replace_frozen_ones_rest_too():
    model = convert_sync_batchnorm(frozen_model(['backbone.stages.0']).backbone)
    norms = [module for module in model.stages[0].modules() if isinstance(module, _BatchNorm)]
    model.train()
    assert all(norm.training for norm in norms)
    keep_at_rest(model, ['stages.0'])
    assert not any(norm.training for norm in norms)


def test_scales_and_shifts_alone():
    model = frozen_model(['head'], 'norm')
    norms = {
        name
        for prefix, module in model.named_modules()
        if isinstance(module, _BatchNorm)
        for name in below(model, prefix)
    }
    assert trained(model) == norms
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.GroupNorm(2, 4), nn.LayerNorm(4), nn.Linear(4, 2))
    freeze(model, [], 'norm')
    assert [name for name, value in model.named_parameters() if value.requires_grad] == [
        '1.weight',
        '1.bias',
        '2.weight',
        '2.bias',
    ]


@pytest.mark.parametrize('frozen', [['head'], ['backbone.stages.0']], ids=', '.join)
def test_ddp(frozen, tmp_path):
    torch.distributed.init_process_group(
        'gloo', init_method=f'file://{tmp_path}/init', rank=0, world_size=1
    )
    try:
        model = frozen_model(frozen)
        assert trained(model, wrap=SemiSupDistributedDataParallel) == set(
            model.state_dict()
        ) - below(model, *frozen)
    finally:
        torch.distributed.destroy_process_group()
    alone = frozen_model(frozen)
    trained(alone)
    for name, value in alone.state_dict().items():
        torch.testing.assert_close(model.state_dict()[name], value)


def test_the_mean_teacher_of_a_frozen_student(tmp_path):
    cfg = config(tmp_path)
    cfg.model.frozen = ['head', 'backbone.stages.0']
    source = MODELS.build(cfg.model)
    source.init_weights()
    before, cfg.load_from = source.state_dict(), str(tmp_path / 'source.pth')
    torch.save(before, cfg.load_from)

    Runner.from_cfg(cfg).train()
    checkpoint = torch.load(tmp_path / 'iter_3.pth', weights_only=False)
    fixed = below(source, 'head', 'backbone.stages.0')
    for state in (checkpoint['state_dict'], checkpoint['ema_state_dict']):
        values = {name.removeprefix('module.'): value for name, value in state.items()}
        assert {name for name in before if torch.equal(before[name], values[name])} == fixed


def test_nbel_is_not_accumulated_over_steps_of_a_frozen_head():
    model = frozen_model(['head'])
    wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.1), accumulative_counts=2)
    model.train_step(make_batch(LABELS), wrapper)
    with pytest.raises(ValueError, match='accumulative_counts'):
        model.train_step(make_batch(LABELS), wrapper)


@pytest.mark.parametrize(
    'frozen, trainable, message',
    [
        (['neck'], 'all', "'neck' names no module of the model; SemiSupClassifier has .*backbone"),
        (
            ['head', 'backbone.layer1'],
            'all',
            r"'backbone.layer1' .*Classifier.backbone has .*stem, stages",
        ),
        (['backbone.stages.7'], 'all', r"'backbone.stages.7' .*backbone.stages has 0, 1"),
        (['head.fc.weight'], 'all', "'head.fc.weight' .*head.fc has no parts"),
        (['stem'], 'all', "'stem' names no module"),
        ([''], 'all', "'' names no module"),
        ('head', 'all', "frozen must be a list of names of modules, got 'head'"),
        (['backbone', 'head'], 'all', 'leaves no parameter to train: take a name out of frozen'),
        (['backbone'], 'norm', "frozen=.*trainable='norm' leaves no parameter to train"),
        ([], 'bn', "trainable must be one of .*, got 'bn'"),
    ],
)
def test_bad_arguments(frozen, trainable, message):
    with pytest.raises(ValueError, match=message):
        freeze(make_model(), frozen, trainable)
