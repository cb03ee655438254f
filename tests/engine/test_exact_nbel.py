"""NBEL over micro-batches: gradients of one loss over the retained graphs of all micro-batches."""

import contextlib

import numpy as np
import pytest
import torch
from mmpretrain.models.utils.batch_augments import RandomBatchAugment

from mmsemiloc.datasets.random_state import RandomState
from mmsemiloc.engine import AmpAccumOptimWrapper
from mmsemiloc.engine.optimizers import accum_optim_wrapper
from mmsemiloc.engine.optimizers.accum_optim_wrapper import split_batch
from mmsemiloc.models.batch_norm import statistics_at_rest
from tests.conftest import KeepGradients, gradients, make_batch, make_model

LABELS = [0, None, 3, None, None, 1, None, 2, None, None, 4, None, 0, None]
WEIGHTS = dict(mel=0.8, nbel=0.5, locality=0.1)
PRIORS = [None, [1, 2, 3, 4, 5], 'labeled']
SIZES = [14, 7, 4, 2]  # 1, 2, 4 (ragged) and 7 micro-batches
RESNET = dict(
    type='ResNet', depth=18, stem_channels=4, base_channels=2, drop_path_rate=0.5
)  # drops paths, not features
COUNTS = [2, 1, 1, 1, 1]  # of LABELS


def build(dtype=torch.float64, prior=None, **kwargs):
    """A model in training mode with dropout, whose images have the dtype of its weights."""
    model = make_model(**WEIGHTS, drop_rate=0.3, **kwargs).to(dtype)
    model.data_preprocessor.register_forward_hook(
        lambda module, args, out: {**out, 'inputs': out['inputs'].to(dtype)}
    )
    if prior is not None:
        model.head.terms['nbel'].set_prior(
            COUNTS if prior == 'labeled' else prior
        )  # what SemiSupSetupHook does
    return model.train()


def retained_graph(model, size, data=None):
    """The reference: forward all micro-batches, keep their graphs, one loss of all predictions."""
    torch.manual_seed(1)
    feats, samples, images = [], [], 0
    for part in split_batch(data or make_batch(LABELS), size):
        batch = model.data_preprocessor(part, True)
        feats.append(model.extract_feat(batch['inputs'])[-1])
        for place, sample in enumerate(
            batch['data_samples']
        ):  # number images through all micro-batches
            sample.set_metainfo(
                dict(view=sample.get('view', 0), image=images + sample.get('image', place))
            )
        samples += batch['data_samples']
        images += len(part['data_samples'])
    losses = model.head.loss((torch.cat(feats),), samples)
    sum(value for key, value in losses.items() if 'loss' in key).backward()
    return gradients(model), dict(model.named_buffers()), torch.get_rng_state(), losses


class AmpKeepGradients(KeepGradients, AmpAccumOptimWrapper):
    pass


def exact(model, size, data=None, wrapper=KeepGradients, **kwargs):
    torch.manual_seed(1)
    wrapper = wrapper(
        micro_batch_size=size, optimizer=torch.optim.SGD(model.parameters(), lr=0.1), **kwargs
    )
    log = model.train_step(data or make_batch(LABELS), wrapper)
    return gradients(model), dict(model.named_buffers()), torch.get_rng_state(), log


def relative_error(actual, expected):
    flat = [
        torch.cat([g[name].flatten().double() for name in sorted(expected)])
        for g in (actual, expected)
    ]
    return ((flat[0] - flat[1]).norm() / flat[1].norm()).item()


@pytest.mark.parametrize('dtype, tolerance', [(torch.float64, 1e-10), (torch.float32, 1e-5)])
@pytest.mark.parametrize('prior', PRIORS, ids=['uniform', 'prior', 'labeled'])
@pytest.mark.parametrize('size', SIZES)
def test_equals_the_retained_graph(size, prior, dtype, tolerance):
    expected = retained_graph(build(dtype, prior), size)
    actual = exact(build(dtype, prior), size)
    assert relative_error(actual[0], expected[0]) <= tolerance
    for name, buffer in expected[1].items():
        assert torch.equal(buffer, actual[1][name]), name
    assert torch.equal(expected[2], actual[2])  # later random numbers are the same, too
    for key, value in expected[3].items():
        assert actual[3][key].item() == pytest.approx(value.item(), rel=max(tolerance, 1e-9)), key


def checkpointing(model):
    """``model`` with gradient checkpointing switched on in its layers."""
    for module in model.backbone.modules():
        if hasattr(module, 'memory_efficient'):
            module.memory_efficient = True
    return model


@pytest.mark.parametrize('size', SIZES)
@pytest.mark.parametrize('case', ['drop path', 'checkpointing', 'SyncBN'])
def test_other_layers_and_checkpointing_equal_the_retained_graph(case, size):
    kwargs = {
        'drop path': dict(backbone=RESNET),
        'SyncBN': dict(norm_cfg=dict(type='SyncBN')),
        'checkpointing': {},
    }[case]
    expected = retained_graph(build(**kwargs), size)
    model = build(**kwargs)
    actual = exact(checkpointing(model) if case == 'checkpointing' else model, size)
    assert relative_error(actual[0], expected[0]) <= 1e-10
    for name, buffer in expected[1].items():
        assert torch.equal(buffer, actual[1][name]), name


@pytest.mark.parametrize('size', SIZES)
def test_bfloat16_equals_the_retained_graph(size):
    """Gradients are sums of the same bfloat16 products, apart from the rounding of what comes back
    from the logits.
    """
    with torch.autocast('cpu', torch.bfloat16, cache_enabled=False):
        expected = retained_graph(build(torch.float32), size)
    model = build(torch.float32)
    actual = exact(model, size, wrapper=AmpKeepGradients, dtype='bfloat16')
    assert relative_error(actual[0], expected[0]) <= 3e-4
    for name, buffer in expected[1].items():
        assert torch.equal(buffer, actual[1][name]), name
    assert actual[3]['loss_nbel'].item() == pytest.approx(expected[3]['loss_nbel'].item(), rel=1e-5)


def test_mixup_is_replayed_and_leaves_the_samples_of_the_second_pass_alone():
    def mixing():
        model = build()
        model.data_preprocessor.batch_augments = RandomBatchAugment(dict(type='Mixup', alpha=1.0))
        model.data_preprocessor.to_onehot = True
        return model

    errors = []
    for size in (4, 7):
        np.random.seed(0)
        expected = retained_graph(mixing(), size)
        np.random.seed(0)
        errors.append(relative_error(exact(mixing(), size)[0], expected[0]))
    assert max(errors) <= 1e-10


class NoReplay(RandomState):
    """Negative control: random numbers go on in the second pass."""

    def restore(self):
        pass


@pytest.mark.parametrize('kwargs', [{}, dict(backbone=RESNET)], ids=['dropout', 'drop path'])
def test_without_replayed_random_numbers_the_gradients_differ(kwargs, monkeypatch):
    monkeypatch.setattr(accum_optim_wrapper, 'RandomState', NoReplay)
    assert (
        relative_error(exact(build(**kwargs), 4)[0], retained_graph(build(**kwargs), 4)[0]) > 1e-3
    )


def test_with_moving_statistics_the_buffers_differ(monkeypatch):
    monkeypatch.setattr(
        accum_optim_wrapper, 'statistics_at_rest', lambda model: contextlib.nullcontext()
    )
    expected, actual = retained_graph(build(), 4)[1], exact(build(), 4)[1]
    assert not all(torch.equal(buffer, actual[name]) for name, buffer in expected.items())


@pytest.mark.parametrize('group', [2, 4, 8])
def test_the_mean_of_small_nbels_is_another_objective(group):
    """Negative control: plain accumulation, each micro-batch (or few of them) with its own mean
    prediction.
    """
    assert (
        relative_error(exact(build(), 2, nbel_batch_size=group)[0], retained_graph(build(), 2)[0])
        > 1e-4
    )


def test_first_pass_is_skipped_when_nbel_is_off():
    forwards = []
    for beta in (0.5, 0.0):
        model = build()
        model.head.terms['nbel'].loss_weight = beta
        count = []
        model.backbone.register_forward_hook(lambda *args, count=count: count.append(1))
        exact(model, 4)
        forwards.append(len(count))
    assert forwards == [7, 4]  # 2 M - 1 and M forward passes


def test_statistics_at_rest_restores_the_layers():
    layer = torch.nn.BatchNorm1d(3, momentum=0.3)
    before = {name: value.clone() for name, value in layer.state_dict().items()}
    with statistics_at_rest(layer):
        layer(torch.randn(4, 3))
    assert layer.momentum == 0.3
    assert all(torch.equal(before[name], value) for name, value in layer.state_dict().items())
    layer(torch.randn(4, 3))
    assert layer.num_batches_tracked == 1
