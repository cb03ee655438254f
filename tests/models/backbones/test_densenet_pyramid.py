"""DenseNetPyramid against torchvision's blocks and mmpretrain's transitions, and what is frozen,
dilated and recomputed.
"""

import copy

import pytest
import torch
from mmpretrain.registry import MODELS as MMPRETRAIN_MODELS
from torch.nn.modules.batchnorm import _BatchNorm
from torchvision.models import densenet as torchvision_densenet

from mmsemiloc.models.checkpoints.densenet_keys import torchvision_name
from mmsemiloc.registry import MODELS

ARCH = dict(growth_rate=4, depths=[2, 2, 2, 2], init_channels=8)
CHANNELS = {
    '121': [256, 512, 1024, 1024],
    '161': [384, 768, 2112, 2208],
    '169': [256, 512, 1280, 1664],
    '201': [256, 512, 1792, 1920],
}


def build(arch=ARCH, seed=0, **cfg):
    torch.manual_seed(seed)
    return MODELS.build(dict(type='mmsemiloc.DenseNetPyramid', arch=arch, **cfg))


def images(seed=0, size=64):
    return torch.randn(4, 3, size, size, generator=torch.Generator().manual_seed(seed))


def warm_up(backbone):
    """Give BatchNorm statistics of its own, so that evaluation mode tells its layers apart."""
    for layer in backbone.modules():
        if isinstance(layer, _BatchNorm):
            layer.running_mean.uniform_(-0.2, 0.2)
            layer.running_var.uniform_(0.5, 2)
    return backbone


@pytest.mark.parametrize(
    'arch', ['121', *(pytest.param(arch, marks=pytest.mark.slow) for arch in ('161', '169', '201'))]
)
def test_maps_are_those_of_torchvisions_dense_blocks(arch):
    backbone = warm_up(build(arch)).eval()
    reference = getattr(torchvision_densenet, f'densenet{arch}')(weights=None).eval()
    weights = {torchvision_name(name): tensor for name, tensor in backbone.state_dict().items()}
    fit = reference.load_state_dict(weights, strict=False)
    assert (fit.missing_keys, fit.unexpected_keys) == (['classifier.weight', 'classifier.bias'], [])

    expected = []
    with torch.no_grad():
        x = images()
        for name, module in reference.features.named_children():
            x = module(x)
            if name in ('denseblock1', 'denseblock2', 'denseblock3', 'norm5'):
                expected.append(x.relu() if name == 'norm5' else x)
        outputs = backbone(images())
    for output, map_ in zip(outputs, expected, strict=True):
        torch.testing.assert_close(output, map_, rtol=1e-5, atol=1e-5 * map_.abs().max().item())
    assert [output.shape[1] for output in outputs] == CHANNELS[arch] == backbone.out_channels
    assert [64 // output.shape[-1] for output in outputs] == [4, 8, 16, 32] == backbone.strides


def test_last_map_is_that_of_the_stock_backbone_and_the_first_ones_are_not():
    backbone = warm_up(build()).eval()
    stock = MMPRETRAIN_MODELS.build(dict(type='DenseNet', arch=ARCH, out_indices=[0, 1, 2, 3]))
    stock.load_state_dict(backbone.state_dict(), strict=True)
    stock.eval()
    outputs, halved = backbone(images()), stock(images())
    assert torch.equal(outputs[3], halved[3])
    for i in range(3):  # what the stock one returns lies behind the transition
        assert outputs[i].shape[-1] == 2 * halved[i].shape[-1]
        assert torch.equal(stock.transitions[i](outputs[i]), halved[i])


@pytest.mark.parametrize(
    'arch, strides, channels',
    [
        (ARCH, [4, 8, 16, 32], [16, 16, 16, 16]),
        (dict(growth_rate=4, depths=[1, 3], init_channels=10), [4, 8], [14, 19]),
    ],
)
def test_custom_architectures(arch, strides, channels):
    backbone = build(arch, out_indices=range(len(strides)))
    assert [(64 // x.shape[-1], x.shape[1]) for x in backbone(images())] == list(
        zip(strides, channels, strict=True)
    )


@pytest.mark.parametrize(
    'stride, strides', [(8, [4, 8, 8, 8]), (16, [4, 8, 16, 16]), (32, [4, 8, 16, 32])]
)
def test_dilated_maps_keep_the_values_at_the_stock_places(stride, strides):
    backbone = warm_up(build(output_stride=stride)).double().eval()
    coarse = build().double().eval()
    coarse.load_state_dict(backbone.state_dict(), strict=True)
    outputs, expected = backbone(images().double()), coarse(images().double())
    assert [64 // x.shape[-1] for x in outputs] == strides == backbone.strides
    for output, values, stock in zip(outputs, expected, coarse.strides, strict=True):
        step = stock // min(stock, stride)
        torch.testing.assert_close(output[..., ::step, ::step], values, rtol=1e-10, atol=1e-12)


def train_step(backbone):
    """Gradients and running statistics of one step in training mode."""
    backbone.train()
    x = images().requires_grad_()
    sum(output.square().mean() for output in backbone(x)).backward()
    return [parameter.grad for parameter in backbone.parameters()], [
        buffer.clone() for buffer in backbone.buffers()
    ]


def test_recomputation_gives_the_same_gradients_and_moves_batchnorm_once():
    plain, saving = build(norm_eval=False), build(norm_eval=False, memory_efficient=True)
    torch.testing.assert_close(train_step(saving), train_step(plain), rtol=1e-5, atol=1e-7)
    counts = {
        buffer.item()
        for name, buffer in saving.named_buffers()
        if name.endswith('num_batches_tracked')
    }
    assert counts == {1}


def test_the_stock_backbone_moves_batchnorm_twice():
    """Negative control: what `memory_efficient` of mmpretrain does."""
    stock = MMPRETRAIN_MODELS.build(dict(type='DenseNet', arch=ARCH, memory_efficient=True))
    stock.train()
    stock(images().requires_grad_())[-1].mean().backward()
    assert stock.stages[0].block[0].norm1.num_batches_tracked == 2


def test_recomputation_saves_memory_and_survives_copies_and_a_second_backward_pass():
    deep = dict(growth_rate=4, depths=[12], init_channels=8)
    backbone = copy.deepcopy(build(deep, out_indices=(0,), norm_eval=False, memory_efficient=True))
    sizes = {}
    for efficient in (False, True):
        for layer in backbone.modules():
            if hasattr(layer, 'memory_efficient'):
                layer.memory_efficient = efficient
        kept = []
        with torch.autograd.graph.saved_tensors_hooks(
            lambda x, kept=kept: kept.append(x.numel()) or x, lambda x: x
        ):
            loss = backbone(images().requires_grad_())[-1].square().mean()
        sizes[efficient] = sum(kept)
        loss.backward(retain_graph=True)
        first = [parameter.grad.clone() for parameter in backbone.parameters()]
        backbone.zero_grad()
        loss.backward()
        torch.testing.assert_close([parameter.grad for parameter in backbone.parameters()], first)
        backbone.zero_grad()
    assert sizes[True] < 0.7 * sizes[False]


def frozen_parts(backbone):
    """Top-level parts without a trainable parameter, e.g. 'stem' or 'stages.0'."""
    parts = {}
    for name, parameter in backbone.named_parameters():
        parts.setdefault(
            '.'.join(name.split('.')[: 1 if name.startswith('stem') else 2]), set()
        ).add(parameter.requires_grad)
    return {part for part, trainable in parts.items() if trainable == {False}}


@pytest.mark.parametrize(
    'frozen, parts',
    [
        (-1, set()),
        (0, {'stem'}),
        (1, {'stem', 'stages.0', 'transitions.0'}),
        (4, {'stem', *(f'{kind}.{i}' for i in range(4) for kind in ('stages', 'transitions'))}),
    ],
)
def test_frozen_stages_include_the_stem_and_rest(frozen, parts):
    backbone = build(frozen_stages=frozen, norm_eval=False).train()
    assert frozen_parts(backbone) == parts
    before = copy.deepcopy(backbone.state_dict())
    backbone(images())
    for name, buffer in backbone.named_buffers():
        moved = not torch.equal(buffer, before[name])
        assert moved != any(name.startswith(f'{part}.') for part in parts), name


@pytest.mark.parametrize('norm_eval', [True, False])
def test_norm_eval_keeps_the_statistics(norm_eval):
    backbone = build(norm_eval=norm_eval)
    assert backbone.train() is backbone
    backbone(images())
    assert (backbone.stem[1].num_batches_tracked == 0) == norm_eval
    assert backbone.training


@pytest.mark.parametrize('out_indices', [(3,), (0, 2), (0, 1), (0, 1, 2, 3)])
def test_every_trainable_parameter_gets_a_gradient(out_indices):
    """Otherwise DDP fails."""
    backbone = build(out_indices=out_indices).train()
    outputs = backbone(images())
    assert len(outputs) == len(out_indices) == len(backbone.out_channels)
    sum(output.square().mean() for output in outputs).backward()
    for name, parameter in backbone.named_parameters():
        assert (parameter.grad is not None) == parameter.requires_grad, name


@pytest.mark.parametrize(
    'cfg, message',
    [
        (dict(out_indices=()), r'out_indices must ascend from 0 to at most 3, got \(\)'),
        (dict(out_indices=(1, 0)), r'got \(1, 0\)'),
        (dict(out_indices=(0, 4)), r'got \(0, 4\)'),
        (dict(frozen_stages=5), 'frozen_stages must be from -1 to 4, got 5'),
        (dict(output_stride=12), r'output_stride must be None or one of \[4, 8, 16, 32\], got 12'),
    ],
)
def test_bad_settings(cfg, message):
    with pytest.raises(ValueError, match=message):
        build(**cfg)
