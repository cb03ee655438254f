"""A backbone from checkpoints of four kinds; one that does not fit is an error that names the first keys."""
import pytest
import torch
from mmpretrain.registry import MODELS as MMPRETRAIN_MODELS
from torchvision.models import DenseNet as TorchvisionDenseNet

from mmsemiloc.models import backbone_checkpoint, load_backbone
from mmsemiloc.models.densenet_keys import torchvision_name
from mmsemiloc.registry import MODELS
from tests.conftest import make_model

ARCH = dict(growth_rate=4, depths=[2, 2], init_channels=8)
CFG = dict(type='mmsemiloc.DenseNetPyramid', arch=ARCH, out_indices=(0, 1))


@pytest.fixture
def backbone():
    torch.manual_seed(1)
    return MODELS.build(CFG)


def stock_classifier():
    torch.manual_seed(2)
    model = MMPRETRAIN_MODELS.build(dict(
        type='ImageClassifier',
        backbone=dict(type='DenseNet', arch=ARCH),
        neck=dict(type='GlobalAveragePooling'),
        head=dict(type='LinearClsHead', num_classes=5, in_channels=16)))
    return model.state_dict(), model.backbone.state_dict(), ['head.fc.weight', 'head.fc.bias']


def our_classifier():
    model = make_model(backbone=dict(type='DenseNet', arch=ARCH))
    return model.state_dict(), model.backbone.state_dict(), ['head.fc.weight', 'head.fc.bias']


def bare_backbone():
    state, backbone, _ = stock_classifier()
    return backbone, backbone, []


def torchvision():
    torch.manual_seed(3)
    model = TorchvisionDenseNet(growth_rate=4, block_config=(2, 2), num_init_features=8, num_classes=5)
    names = MODELS.build(CFG).state_dict()
    state = model.state_dict()
    return state, {name: state[torchvision_name(name)] for name in names}, ['classifier.weight', 'classifier.bias']


@pytest.mark.parametrize('source', [stock_classifier, our_classifier, bare_backbone, torchvision])
@pytest.mark.parametrize('wrapped', [True, False])
def test_every_kind_of_checkpoint_is_loaded_and_reported(backbone, source, wrapped, tmp_path):
    state, expected, unused = source()
    torch.save({'state_dict': state, 'meta': {}} if wrapped else state, tmp_path / 'model.pth')
    found = load_backbone(backbone, str(tmp_path / 'model.pth'))
    assert found.unused == unused
    own = backbone.state_dict()
    assert own.keys() == expected.keys() == found.tensors.keys()
    assert all(torch.equal(own[name], expected[name]) for name in own)


def test_pretrained_in_a_config_reports_what_it_used(tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr(backbone_checkpoint, 'print_log', lambda message, logger: shown.append(message))
    state, expected, _ = our_classifier()
    torch.save({'state_dict': state}, tmp_path / 'model.pth')
    backbone = MODELS.build(dict(CFG, init_cfg=dict(type='Pretrained', checkpoint=str(tmp_path / 'model.pth'))))
    backbone.init_weights()
    assert torch.equal(backbone.stem[0].weight, expected['stem.0.weight'])
    assert shown == [f'{len(expected)} tensors of {tmp_path / "model.pth"} loaded into DenseNetPyramid; '
                     'not used: head.fc.weight, head.fc.bias']


def test_a_part_of_another_model_by_its_prefix(backbone, tmp_path):
    _, expected, _ = stock_classifier()
    state = {f'backbone.{name}': tensor + 1 for name, tensor in expected.items()}
    state |= {f'target_net.0.{name}': tensor for name, tensor in expected.items()}
    torch.save({'state_dict': state}, tmp_path / 'byol.pth')
    load_backbone(backbone, str(tmp_path / 'byol.pth'), prefix='target_net.0.')
    assert torch.equal(backbone.stem[0].weight, expected['stem.0.weight'])


def test_counts_of_batchnorm_may_be_missing(backbone, tmp_path):
    state = {name: tensor for name, tensor in bare_backbone()[0].items() if not name.endswith('num_batches_tracked')}
    torch.save(state, tmp_path / 'old.pth')
    load_backbone(backbone, str(tmp_path / 'old.pth'))


def without(state, *names):
    return {name: tensor for name, tensor in state.items() if name not in names}


@pytest.mark.parametrize('change, message', [
    (lambda s: without(s, 'backbone.stem.0.weight'), 'missing: stem.0.weight$'),
    (lambda s: {**s, 'backbone.stem.0.weight': torch.zeros(8, 1, 7, 7)},
     r'of another shape: stem.0.weight is \(8, 1, 7, 7\), expected \(8, 3, 7, 7\)$'),
    (lambda s: {**s, 'backbone.stages.2.block.0.conv1.weight': torch.zeros(1)},
     'not in the backbone: stages.2.block.0.conv1.weight$'),
    (lambda s: {'encoder.weight': torch.zeros(1)},
     r'missing: stem.0.weight, stem.1.weight, stem.1.bias, ... \(\d+\)$'),
    (lambda s: {}, 'missing: stem.0.weight'),
])
def test_a_checkpoint_that_does_not_fit_is_an_error_and_changes_nothing(backbone, change, message, tmp_path):
    path = tmp_path / 'other.pth'
    torch.save({'state_dict': change(stock_classifier()[0])}, path)
    before = {name: tensor.clone() for name, tensor in backbone.state_dict().items()}
    with pytest.raises(ValueError, match=f'other.pth does not fit DenseNetPyramid; {message}'):
        load_backbone(backbone, str(path))
    assert all(torch.equal(tensor, before[name]) for name, tensor in backbone.state_dict().items())
    with pytest.raises(ValueError, match='does not fit'):
        MODELS.build(dict(CFG, init_cfg=dict(type='Pretrained', checkpoint=str(path)))).init_weights()


@pytest.mark.parametrize('name', ['neck.fc.weight', 'backbone.stages.0.weight', 'backbone.stem.5.weight', ''])
def test_no_name_for_what_is_no_densenet(name):
    with pytest.raises(ValueError, match=f'no parameter of a DenseNet classifier of mmpretrain: {name}'):
        torchvision_name(name)
