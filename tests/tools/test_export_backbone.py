"""Exported weights load strictly where they are meant for, and give the same predictions there."""

import hashlib

import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmpretrain.registry import MODELS as MMPRETRAIN_MODELS
from torchvision.models import DenseNet as TorchvisionDenseNet

from mmsemiloc.models import fit_state, load_backbone
from mmsemiloc.models.checkpoints.export import FORMATS, export
from mmsemiloc.registry import MODELS
from tests.conftest import make_model
from tests.tools.conftest import run_tool

ARCH = dict(growth_rate=4, depths=[2, 2], init_channels=8)
STOCK = dict(
    type='ImageClassifier',
    backbone=dict(type='DenseNet', arch=ARCH),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=5, in_channels=16),
)


@pytest.fixture
def model():
    """A classifier that has seen some images."""
    model = make_model(backbone=dict(type='DenseNet', arch=ARCH))
    model.backbone(torch.randn(8, 3, 32, 32))
    return model.eval()


@pytest.fixture
def checkpoint(model, tmp_path):
    file = tmp_path / 'iter_9.pth'
    torch.save(
        {
            'state_dict': model.state_dict(),
            'optimizer': {'lr': 0.1},
            'message_hub': HistoryBuffer(),
        },
        file,
    )
    return file


def load(file):
    content = torch.load(file, weights_only=True)  # nothing but tensors and plain values
    assert set(content) == {'state_dict', 'meta'}
    return content


def test_files_say_what_they_are_made_of(checkpoint, tmp_path):
    for target in FORMATS:
        file = export(checkpoint, target, tmp_path / 'out')
        assert (
            file.name == f'iter_9_{target}-{hashlib.sha256(file.read_bytes()).hexdigest()[:8]}.pth'
        )
        meta = load(file)['meta']
        assert (
            meta['source'] == 'iter_9.pth' and meta['target'] == target and meta['num_classes'] == 5
        )
        assert meta['source_sha256'] == hashlib.sha256(checkpoint.read_bytes()).hexdigest()
        assert export(checkpoint, target, tmp_path / 'again').read_bytes() == file.read_bytes()


@pytest.mark.parametrize('target', ['mmdet', 'mmseg'])
def test_backbone_for_detection_and_segmentation(model, checkpoint, target, tmp_path):
    file = export(checkpoint, target, tmp_path)
    stock = MODELS.build(dict(type='DenseNet', arch=ARCH))
    stock.load_state_dict(load(file)['state_dict'], strict=True)
    pyramid = MODELS.build(dict(type='mmsemiloc.DenseNetPyramid', arch=ARCH, out_indices=(0, 1)))
    assert load_backbone(pyramid, str(file)).unused == []
    images = torch.randn(2, 3, 32, 32)
    assert torch.equal(pyramid.eval()(images)[-1], model.backbone(images)[-1])


def test_classifier_for_mmpretrain(model, checkpoint, tmp_path):
    stock = MMPRETRAIN_MODELS.build(STOCK)
    stock.load_state_dict(
        load(export(checkpoint, 'mmpretrain', tmp_path))['state_dict'], strict=True
    )
    images = torch.randn(2, 3, 32, 32)
    assert torch.equal(stock.eval()(images), model(images))


def test_densenet_for_timm(model, checkpoint, tmp_path):
    """timm's DenseNet has the names and the network of torchvision's."""
    reference = TorchvisionDenseNet(
        growth_rate=4, block_config=(2, 2), num_init_features=8, num_classes=5
    ).eval()
    reference.load_state_dict(load(export(checkpoint, 'timm', tmp_path))['state_dict'], strict=True)
    images = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(reference(images), model(images), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize('target', FORMATS)
def test_files_load_back_into_what_they_are_made_of(model, checkpoint, target, tmp_path):
    content = torch.load(export(checkpoint, target, tmp_path), weights_only=True)
    whole = target in ('mmpretrain', 'timm')
    other = make_model(backbone=dict(type='DenseNet', arch=ARCH), seed=1)
    fitted = fit_state(other, content, 'a.pth', 'test' if whole else 'start').tensors
    expected = model.state_dict()
    names = [name for name in expected if whole or name.startswith('backbone')]
    assert all(torch.equal(fitted[name], expected[name]) for name in names)


def test_any_layout_is_exported_and_what_is_not_finite_refused(model, tmp_path):
    state = model.state_dict()
    files = []
    for name, content in (('a', {'state_dict': state}), ('b', {'model': state, 'epoch': 3})):
        torch.save(content, tmp_path / f'{name}.pth')
        files.append(load(export(tmp_path / f'{name}.pth', 'timm', tmp_path))['state_dict'])
    assert all(torch.equal(files[0][name], files[1][name]) for name in files[0])
    state['backbone.stem.0.weight'][0] = float('inf')
    torch.save(state, tmp_path / 'c.pth')
    with pytest.raises(ValueError, match='c.pth: backbone.stem.0.weight has values that are not'):
        export(tmp_path / 'c.pth', 'mmdet', tmp_path)


def test_a_self_supervised_model_leaves_its_other_parts(tmp_path):
    state = {
        'backbone.stem.0.weight': torch.zeros(1),
        'neck.fc0.weight': torch.zeros(1),
        'target_net.0.x': torch.zeros(1),
    }
    torch.save(state, tmp_path / 'byol.pth')
    assert set(load(export(tmp_path / 'byol.pth', 'mmpretrain', tmp_path))['state_dict']) == {
        'backbone.stem.0.weight'
    }
    content = load(export(tmp_path / 'byol.pth', 'mmdet', tmp_path))
    assert (
        set(content['state_dict']) == {'stem.0.weight'} and content['meta']['num_classes'] is None
    )


@pytest.mark.parametrize(
    'state, target, message',
    [
        (
            {'a': torch.zeros(1), 'b': torch.zeros(1)},
            'mmdet',
            r'model.pth has no backbone: its first names are a, b',
        ),
        (
            {'backbone.layer1.0.conv1.weight': torch.zeros(1)},
            'timm',
            'is not a parameter of a DenseNet classifier',
        ),
    ],
)
def test_what_cannot_be_exported(state, target, message, tmp_path):
    torch.save(state, tmp_path / 'model.pth')
    with pytest.raises(ValueError, match=message):
        export(tmp_path / 'model.pth', target, tmp_path / 'out')
    assert not (tmp_path / 'out').exists()


def test_tool(checkpoint, tmp_path):
    stdout, _ = run_tool('export_backbone.py', checkpoint, '--to', 'mmdet', 'timm')
    assert [line.split(' (')[0] for line in stdout.splitlines()] == [
        str(file)
        for target in ('mmdet', 'timm')
        for file in tmp_path.glob(f'iter_9_{target}-*.pth')
    ]
    _, stderr = run_tool('export_backbone.py', tmp_path / 'none.pth', status=2)
    assert 'no such checkpoint' in stderr
