import pytest
import torch
from mmpretrain.registry import MODELS as MMPRETRAIN_MODELS

from mmsemiloc.registry import MODELS
from tests.conftest import make_batch, make_model

ARCH = dict(growth_rate=4, depths=[2, 2, 2], init_channels=8)  # stride 16


def build(registry=MODELS, **cfg):
    """A backbone in float64 whose BatchNorm has seen something, in evaluation mode."""
    torch.manual_seed(0)
    backbone = registry.build(cfg).double()
    backbone(torch.randn(8, 3, 32, 32, dtype=torch.float64))
    backbone.eval()  # DenseNet.train returns nothing, so this cannot be chained
    return backbone


@pytest.fixture
def stock():
    return build(MMPRETRAIN_MODELS, type='DenseNet', arch=ARCH)


def finer(stock, stride):
    """The stock backbone with a finer map."""
    backbone = build(type='mmsemiloc.DilatedDenseNet', arch=ARCH, output_stride=stride)
    backbone.load_state_dict(stock.state_dict(), strict=True)
    return backbone


@pytest.mark.parametrize('stride', [16, 8, 4])
def test_the_stock_map_is_every_second_or_fourth_place_of_the_finer_one(stock, stride):
    images = torch.randn(2, 3, 64, 96, dtype=torch.float64)
    expected, (fine,) = stock(images)[-1], finer(stock, stride)(images)
    assert fine.shape[-2:] == (64 // stride, 96 // stride)
    torch.testing.assert_close(
        fine[..., :: 16 // stride, :: 16 // stride], expected, rtol=1e-10, atol=1e-12
    )


def test_it_is_not_without_dilation_or_without_the_average(stock):
    """Negative controls."""
    images = torch.randn(2, 3, 64, 64, dtype=torch.float64)
    expected = stock(images)[-1]
    for change in ('dilation', 'average'):
        backbone = finer(stock, 8)
        if change == 'average':
            backbone.transitions[1].pool = torch.nn.Identity()
        else:
            for layer in backbone.stages[2].block:
                layer.conv2.dilation = layer.conv2.padding = (1, 1)
        assert (backbone(images)[-1][..., ::2, ::2] - expected).abs().max() > 1e-3


def test_checkpoints_load_both_ways_strictly(stock):
    backbone = finer(stock, 8)
    stock.load_state_dict(backbone.state_dict(), strict=True)


def test_stock_backbones_of_224_pixels_have_finer_maps_too():
    """Dilation is an option of mmpretrain's ResNet itself."""
    images = torch.zeros(1, 3, 224, 224)
    arch = dict(growth_rate=2, depths=[1, 1, 1, 1], init_channels=4)
    small = dict(depth=18, stem_channels=4, base_channels=4)
    for cfg, size in (
        (dict(type='DenseNet', arch=arch), 7),
        (dict(type='mmsemiloc.DilatedDenseNet', arch=arch), 14),
        (dict(type='ResNet', **small), 7),
        (dict(type='ResNet', strides=(1, 2, 2, 1), dilations=(1, 1, 1, 2), **small), 14),
    ):
        backbone = MODELS.build(cfg)
        backbone.eval()
        assert backbone(images)[-1].shape[-2:] == (size, size)


def test_class_score_is_the_mean_of_the_finer_map():
    model = make_model(
        locality=0.1,
        backbone=dict(
            type='mmsemiloc.DilatedDenseNet',
            output_stride=4,
            arch=dict(growth_rate=4, depths=[2, 2], init_channels=8),
        ),
    )
    batch = model.data_preprocessor(make_batch([1, None]), True)
    feats = model.extract_feat(batch['inputs'])
    logits = model.head(feats)
    labels = logits.argmax(1)
    cam = model.head.cam(feats, labels)
    assert cam.shape == (2, 8, 8)
    torch.testing.assert_close(
        cam.mean((1, 2)), logits[range(2), labels] - model.head.fc.bias[labels]
    )
    sum(v for k, v in model(**batch, mode='loss').items() if 'loss' in k).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize('stride', [0, 12, 32])
def test_bad_stride(stride):
    with pytest.raises(ValueError, match=rf'one of \[4, 8, 16\], got {stride}'):
        MODELS.build(dict(type='mmsemiloc.DilatedDenseNet', arch=ARCH, output_stride=stride))
