"""A backbone from checkpoints of many kinds; one that does not fit is an error with numbers."""

import re

import pytest
import torch
from mmpretrain.registry import MODELS as MMPRETRAIN_MODELS
from torchvision.models import DenseNet as TorchvisionDenseNet

from mmsemiloc.models import load_backbone
from mmsemiloc.models.checkpoints import backbone as backbone_room
from mmsemiloc.models.checkpoints.densenet_keys import torchvision_name
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
    model = MMPRETRAIN_MODELS.build(
        dict(
            type='ImageClassifier',
            backbone=dict(type='DenseNet', arch=ARCH),
            neck=dict(type='GlobalAveragePooling'),
            head=dict(type='LinearClsHead', num_classes=5, in_channels=16),
        )
    )
    return model.state_dict(), model.backbone.state_dict(), ['head.fc.weight', 'head.fc.bias']


def our_classifier():
    model = make_model(backbone=dict(type='DenseNet', arch=ARCH))
    return model.state_dict(), model.backbone.state_dict(), ['head.fc.weight', 'head.fc.bias']


def bare_backbone():
    state, backbone, _ = stock_classifier()
    return backbone, backbone, []


def torchvision():
    torch.manual_seed(3)
    model = TorchvisionDenseNet(
        growth_rate=4, block_config=(2, 2), num_init_features=8, num_classes=5
    )
    names = MODELS.build(CFG).state_dict()
    state = model.state_dict()
    return (
        state,
        {name: state[torchvision_name(name)] for name in names},
        ['classifier.weight', 'classifier.bias'],
    )


def torchvision_as_published():
    """Its files have dots in the names of a dense layer's parts."""
    state, expected, unused = torchvision()
    dotted = r'(denselayer\d+[.](?:norm|conv))(\d)'
    changed = {re.sub(dotted, r'\1.\2', name): value for name, value in state.items()}
    assert changed.keys() != state.keys()
    return changed, expected, unused


@pytest.mark.parametrize(
    'source',
    [stock_classifier, our_classifier, bare_backbone, torchvision, torchvision_as_published],
)
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
    monkeypatch.setattr(backbone_room, 'print_log', lambda message, logger: shown.append(message))
    state, expected, _ = our_classifier()
    torch.save({'state_dict': state}, tmp_path / 'model.pth')
    backbone = MODELS.build(
        dict(CFG, init_cfg=dict(type='Pretrained', checkpoint=str(tmp_path / 'model.pth')))
    )
    backbone.init_weights()
    assert torch.equal(backbone.stem[0].weight, expected['stem.0.weight'])
    assert shown == [
        f'65 of 65 tensors of {tmp_path / "model.pth"} loaded into DenseNetPyramid; '
        "without 'backbone.'; not used: head.fc.weight, head.fc.bias"
    ]


def test_a_part_of_another_model_by_its_prefix(backbone, tmp_path):
    _, expected, _ = stock_classifier()
    state = {f'backbone.{name}': tensor + 1 for name, tensor in expected.items()}
    state |= {f'target_net.0.{name}': tensor for name, tensor in expected.items()}
    torch.save({'state_dict': state}, tmp_path / 'byol.pth')
    load_backbone(backbone, str(tmp_path / 'byol.pth'), prefix='target_net.0.')
    assert torch.equal(backbone.stem[0].weight, expected['stem.0.weight'])


def test_counts_of_batchnorm_may_be_missing(backbone, tmp_path):
    state = {
        name: tensor
        for name, tensor in bare_backbone()[0].items()
        if not name.endswith('num_batches_tracked')
    }
    torch.save(state, tmp_path / 'old.pth')
    load_backbone(backbone, str(tmp_path / 'old.pth'))


def without(state, *names):
    return {name: tensor for name, tensor in state.items() if name not in names}


@pytest.mark.parametrize(
    'change, message',
    [
        (
            lambda s: without(s, 'backbone.stem.0.weight'),
            '64 of 65 tensors of .*: 1 missing, first stem.0.weight;',
        ),
        (
            lambda s: {**s, 'backbone.stem.0.weight': torch.zeros(8, 1, 7, 7)},
            '64 of 65 tensors of .*: 1 of another shape, first stem.0.weight is '
            r'\(8, 1, 7, 7\), expected \(8, 3, 7, 7\);',
        ),
        (
            lambda s: {**s, 'backbone.stages.2.block.0.conv1.weight': torch.zeros(1)},
            '65 of 65 tensors of .*: 1 unknown, first stages.2.block.0.conv1.weight;',
        ),
        (
            lambda s: {'encoder.weight': torch.zeros(1)},
            '0 of 65 tensors of .*: 54 missing, first stem.0.weight; names in the file: '
            'encoder.weight;',
        ),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_an_error_and_changes_nothing(
    backbone, change, message, tmp_path
):
    path = tmp_path / 'other.pth'
    torch.save({'state_dict': change(stock_classifier()[0])}, path)
    before = {name: tensor.clone() for name, tensor in backbone.state_dict().items()}
    with pytest.raises(ValueError, match=message) as refused:
        load_backbone(backbone, str(path))
    assert f'{path} fit DenseNetPyramid' in str(refused.value)
    assert all(torch.equal(tensor, before[name]) for name, tensor in backbone.state_dict().items())
    with pytest.raises(ValueError, match=message):
        MODELS.build(
            dict(CFG, init_cfg=dict(type='Pretrained', checkpoint=str(path)))
        ).init_weights()


def test_a_file_without_weights_is_an_error(backbone, tmp_path):
    torch.save({'state_dict': {}}, tmp_path / 'empty.pth')
    with pytest.raises(
        ValueError, match='empty.pth has no weights by name, it is a dict with the keys state_dict'
    ):
        load_backbone(backbone, str(tmp_path / 'empty.pth'))


def test_a_prefix_that_is_not_in_the_file_is_an_error(backbone, tmp_path):
    torch.save(bare_backbone()[0], tmp_path / 'bare.pth')
    with pytest.raises(
        ValueError,
        match="no name in .*bare.pth begins with 'encoder.'; its first names are stem.0.weight",
    ):
        load_backbone(backbone, str(tmp_path / 'bare.pth'), prefix='encoder.')


PARTS = {
    'DenseNet': dict(type='DenseNet', arch=ARCH),
    'DilatedDenseNet': dict(type='mmsemiloc.DilatedDenseNet', arch=ARCH, output_stride=4),
    'DenseNetPyramid': dict(type='mmsemiloc.DenseNetPyramid', arch=ARCH, out_indices=(1,)),
    'ResNet': dict(type='ResNet', depth=18, stem_channels=16, base_channels=2),
    'ConvNeXt': dict(type='ConvNeXt', arch=dict(depths=[1] * 4, channels=[4, 8, 8, 16])),
    'VisionTransformer': dict(
        type='VisionTransformer',
        img_size=64,
        patch_size=16,
        out_type='featmap',
        arch=dict(embed_dims=16, num_layers=1, num_heads=2, feedforward_channels=16),
    ),
    'SwinTransformer': dict(
        type='SwinTransformer',
        img_size=64,
        arch=dict(embed_dims=4, depths=[1] * 4, num_heads=[1] * 4),
    ),
}


def classifier_of(backbone, init_cfg=None, seed=0, whole=None):
    """A classifier whose backbone has random weights, or those of a file."""
    torch.manual_seed(seed)
    model = MODELS.build(
        dict(
            type='mmsemiloc.SemiSupClassifier',
            data_preprocessor=dict(num_classes=5),
            backbone=dict(backbone, **({'init_cfg': init_cfg} if init_cfg else {})),
            head=dict(type='mmsemiloc.CAMClsHead', num_classes=5, in_channels=16),
            init_cfg=whole,
        )
    )
    model.init_weights()
    return model


@pytest.mark.parametrize('kind', PARTS)
@pytest.mark.parametrize('layout', ['bare', 'of a classifier', 'in model, with module.', 'half'])
def test_any_backbone_of_a_classifier_starts_from_a_file_or_not_at_all(kind, layout, tmp_path):
    given = classifier_of(PARTS[kind], seed=1).backbone.state_dict()

    def renamed(prefix):
        return {prefix + name: value for name, value in given.items()}

    file = {
        'bare': given,
        'of a classifier': {'state_dict': renamed('backbone.')},
        'in model, with module.': {'model': renamed('module.')},
        'half': dict(list(given.items())[len(given) // 2 :]),
    }[layout]
    torch.save(file, tmp_path / 'file.pth')
    init_cfg = dict(type='Pretrained', checkpoint=str(tmp_path / 'file.pth'))
    if layout == 'half':
        with pytest.raises(
            ValueError,
            match=f'{len(given) - len(given) // 2} of {len(given)} tensors of .* fit {kind}: ',
        ):
            classifier_of(PARTS[kind], [init_cfg])
        return
    model = classifier_of(PARTS[kind], init_cfg, seed=2)
    assert all(
        torch.equal(value, given[name]) for name, value in model.backbone.state_dict().items()
    )
    unlike = classifier_of(PARTS[kind], seed=2).backbone.state_dict()
    assert not all(
        torch.equal(value, given[name]) for name, value in unlike.items()
    )  # negative control
    assert model.backbone.init_cfg == init_cfg


def test_a_position_embedding_is_resized_by_its_backbone(tmp_path):
    small = PARTS['VisionTransformer']
    given = classifier_of(small, seed=1).backbone.state_dict()
    torch.save(given, tmp_path / 'file.pth')
    model = classifier_of(
        dict(small, img_size=96), dict(type='Pretrained', checkpoint=str(tmp_path / 'file.pth'))
    )
    assert given['pos_embed'].shape[1] == 17 and model.backbone.pos_embed.shape[1] == 37
    assert torch.equal(model.backbone.layers[0].ln1.weight, given['layers.0.ln1.weight'])
    assert torch.equal(
        model.backbone.pos_embed[:, 0], given['pos_embed'][:, 0]
    )  # that of the class token is kept


def test_a_head_and_a_whole_model_have_files_too(tmp_path):
    torch.manual_seed(4)
    given = classifier_of(PARTS['DenseNet'], seed=1)
    torch.save(given.state_dict(), tmp_path / 'file.pth')
    pretrained = dict(type='Pretrained', checkpoint=str(tmp_path / 'file.pth'))
    model = classifier_of(PARTS['DenseNet'], seed=2, whole=pretrained)
    assert all(
        torch.equal(value, given.state_dict()[name]) for name, value in model.state_dict().items()
    )
    model = MODELS.build(
        dict(
            type='mmsemiloc.SemiSupClassifier',
            data_preprocessor=dict(num_classes=5),
            backbone=PARTS['DenseNet'],
            head=dict(
                type='mmsemiloc.CAMClsHead', num_classes=5, in_channels=16, init_cfg=pretrained
            ),
        )
    )
    model.init_weights()
    assert torch.equal(model.head.fc.weight, given.head.fc.weight)
    assert not torch.equal(model.backbone.stem[0].weight, given.backbone.stem[0].weight)


def test_a_second_initialisation_loads_nothing(tmp_path):
    given = classifier_of(PARTS['DenseNet'], seed=1)
    torch.save(given.state_dict(), tmp_path / 'file.pth')
    model = classifier_of(
        PARTS['DenseNet'], dict(type='Pretrained', checkpoint=str(tmp_path / 'file.pth'))
    )
    torch.nn.init.zeros_(model.backbone.stem[0].weight)
    model.init_weights()
    assert not model.backbone.stem[0].weight.any()


@pytest.mark.parametrize(
    'name', ['neck.fc.weight', 'backbone.stages.0.weight', 'backbone.stem.5.weight', '']
)
def test_no_name_for_what_is_no_densenet(name):
    with pytest.raises(ValueError, match=f'{name} is not a parameter of a DenseNet classifier'):
        torchvision_name(name)
