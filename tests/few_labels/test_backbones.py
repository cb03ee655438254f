"""Any backbone of MMPretrain and timm: its features, its images, and its weights."""

import sys

import numpy as np
import pytest
import torch
from mmengine.optim import build_optim_wrapper

from mmsemiloc.few_labels.backbones import find_backbone
from mmsemiloc.few_labels.extraction import make_extractor
from mmsemiloc.few_labels.foreign_backbones import image_size, with_size
from mmsemiloc.few_labels.timm_backbones import prediction_transforms
from mmsemiloc.models.backbones.timm_maps import as_map
from tests.few_labels.foreign import CONFIG, write_model


@pytest.fixture(scope='module')
def small(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp('small'))


@pytest.fixture
def file(tmp_path):
    """A file of weights that is never read."""
    torch.save({}, tmp_path / 'any.pth')
    return tmp_path / 'any.pth'


def images(size=32):
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (2, 3, size, size), generator=generator, dtype=torch.uint8)


def extractor(name, weights, folder):
    return make_extractor(find_backbone(name, weights), 3, 0, 0, folder)


def test_features_are_those_of_mmpretrains_own_model(small, tmp_path):
    config, weights, model = small
    made = extractor(str(config), weights, tmp_path)
    model.eval()
    with torch.inference_mode():
        theirs = model.extract_feat(model.data_preprocessor(dict(inputs=images()))['inputs'])
        found = made.forward(images())
    torch.testing.assert_close(found, theirs[-1], rtol=1e-4, atol=1e-5)
    assert made.image_size() == (32, 32) and made.model.head.predict_cam


def test_a_name_and_a_package_path_are_the_same_model(file):
    one = find_backbone('resnet18_8xb32_in1k', file)
    two = find_backbone('mmpretrain::resnet/resnet18_8xb32_in1k.py', file)
    assert one.own == two.own and one.own['model']['head']['in_channels'] == 512
    assert one.own['model']['data_preprocessor']['mean'] == [123.675, 116.28, 103.53]
    assert one.start == dict(init_cfg=dict(type='Pretrained', checkpoint=str(file)))


@pytest.mark.parametrize(
    'name', ['resnet18_8xb32_in1k', 'mmpretrain::resnet/resnet18_8xb32_in1k.py']
)
def test_by_default_the_weights_are_mmpretrains(name):
    checkpoint = find_backbone(name).start['init_cfg']['checkpoint']
    assert checkpoint.startswith('https://') and 'resnet18_8xb32_in1k' in checkpoint


@pytest.mark.parametrize(
    'name, expected, channels',
    [
        ('convnext-tiny_32xb128_in1k', dict(gap_before_final_norm=False), 768),
        ('deit-tiny_4xb256_in1k', dict(out_type='featmap'), 192),
        ('vgg11_8xb32_in1k', dict(num_classes=-1), 512),
        ('densenet121_3rdparty_in1k', dict(type='mmsemiloc.DilatedDenseNet'), 1024),
    ],
)
def test_networks_give_maps_as_ours_do(file, name, expected, channels):
    model = find_backbone(name, file).own['model']
    assert expected.items() <= model['backbone'].items()
    assert model['head']['in_channels'] == channels and model['head']['predict_cam']


def test_a_network_without_maps_has_no_locality_penalty(file):
    head = find_backbone('tnt-small-p16_3rdparty_in1k', file).own['model']['head']
    assert head['loss_locality'] is None and not head['predict_cam'] and head['loss_nbel']


def test_all_images_have_the_size_of_the_network(file):
    own = find_backbone('mobilevit-xxsmall_3rdparty_in1k', file).own
    crop = own['train_dataloader']['dataset']['labeled']['pipeline'][1]
    assert crop['type'] == 'RandomResizedCrop' and crop['scale'] == 256
    assert own['strong_transforms'][0]['scale'] == 256
    assert image_size(own['test_pipeline']) == (256, 256)


def test_sizes_are_found_and_set():
    assert image_size([dict(type='ResizeEdge', scale=256), dict(type='PackInputs')]) is None
    assert image_size([dict(type='Resize', scale=(40, 30))]) == (30, 40)
    [crop] = with_size([dict(type='RandomResizedCrop', scale=224)], (30, 40))
    assert crop['scale'] == (40, 30)


@pytest.mark.parametrize(
    'name, rate',
    [('resnet50_8xb32_in1k', 0.7**7), ('resnet18_8xb32_in1k', 0.1)],
    ids=['layers', 'one rate'],
)
def test_a_backbone_learns_more_slowly_than_the_classifier(file, name, rate):
    """By layers where it knows them, else at a tenth."""
    from mmsemiloc.registry import MODELS

    cfg = find_backbone(name, file).config()
    cfg.model.head.num_classes = cfg.model.data_preprocessor.num_classes = 3
    model = MODELS.build(cfg.model)
    wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    rates = {
        id(p): group['lr'] for group in wrapper.optimizer.param_groups for p in group['params']
    }
    lr = cfg.optim_wrapper.optimizer.lr
    assert rates[id(model.head.fc.weight)] == lr
    assert rates[id(model.backbone.conv1.weight)] == pytest.approx(lr * rate)


@pytest.mark.parametrize(
    'name, match',
    [
        ('resnet18', "no backbone 'resnet18': there are convnext_tiny, .*'resnet18_8xb16_cifar10'"),
        ('nowhere.py', 'no such config file: nowhere.py'),
        ('resnet18_8xb16_cifar10', 'made for images of one data set'),
        ('hrnet-w18_3rdparty_8xb32_in1k', 'features come from its neck, a HRFuseScales'),
        ('mae_vit-base-p16_8xb512-amp-coslr-300e_in1k', r'a MAEViT gives \(1, 196\) instead of a'),
        ('inception-v3_3rdparty_8xb32_in1k', 'gives class scores instead of features'),
        ('blip-base_3rdparty_vqa', 'has no model.backbone'),
        ('mmpretrain::resnet/none.py', 'cannot read the config of backbone mmpretrain::resnet/non'),
    ],
)
def test_what_gives_no_features_is_refused(file, name, match):
    with pytest.raises(ValueError, match=match):
        find_backbone(name, file)


def test_a_network_that_draws_at_random_is_refused(tmp_path, file, monkeypatch):
    config, _, _ = write_model(tmp_path)
    forward = 'mmpretrain.models.backbones.ResNet.forward'
    monkeypatch.setattr(forward, lambda self, x: (torch.rand(1, 64, 2, 2),))
    with pytest.raises(ValueError, match='gives other features at each call'):
        find_backbone(str(config), file)


def test_a_config_that_does_not_fit_its_network_is_one_line(tmp_path, file):
    (tmp_path / 'wrong.py').write_text(CONFIG.replace('depth=18', 'depth=17'))
    with pytest.raises(ValueError, match='wrong.py: cannot build a ResNet: .*17'):
        find_backbone(str(tmp_path / 'wrong.py'), file)


def test_there_are_no_features_of_random_weights(small):
    with pytest.raises(
        ValueError, match='no weights of backbone .*small.py are known: give them b'
    ):
        find_backbone(str(small[0]))


def test_weights_that_do_not_fit_are_refused(small, tmp_path):
    content = torch.load(small[1], weights_only=True)
    content['state_dict'].pop('backbone.layer4.1.conv2.weight')
    torch.save(content, tmp_path / 'other.pth')
    with pytest.raises(ValueError, match='other.pth fit ResNet: 1 missing, first layer4.1.conv2'):
        extractor(str(small[0]), tmp_path / 'other.pth', tmp_path)


def test_a_file_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match='no such file of weights: none.pth'):
        find_backbone('efficientnet_lite0', 'none.pth')


@pytest.mark.parametrize(
    'error', [OSError('no route\nto the hub'), ValueError('cannot load checkpoint https://x: no')]
)
def test_weights_that_cannot_be_fetched_can_be_given(small, tmp_path, monkeypatch, error):
    def fail(*args):
        raise error

    monkeypatch.setattr('mmsemiloc.few_labels.extraction.FeatureExtractor', fail)
    with pytest.raises(ValueError, match='^the weights of backbone .*give --weights FILE$'):
        extractor(str(small[0]), small[1], tmp_path)


def test_timm_that_is_not_installed_is_named(monkeypatch, file):
    monkeypatch.setitem(sys.modules, 'timm', None)
    with pytest.raises(ValueError, match='^backbone timm:resnet18 needs timm: pip install timm$'):
        find_backbone('timm:resnet18', file)


def test_tokens_are_laid_out_as_the_image():
    values = torch.arange(2 * 3 * 12.0).reshape(2, 3, 3, 4)
    tokens = values.flatten(2).transpose(1, 2)
    prefixed = torch.cat([torch.full((2, 2, 3), -1.0), tokens], 1)
    assert as_map(prefixed, (96, 128), 2, False).equal(values)
    assert as_map(values.permute(0, 2, 3, 1), (96, 128), 0, True).equal(values)
    assert as_map(values, (96, 128), 0, False) is values
    vector = torch.zeros(2, 5)
    assert as_map(vector, (96, 128), 1, False) is vector
    with pytest.raises(ValueError, match='13 tokens are no grid over images of 96 x 128 pixels'):
        as_map(prefixed, (96, 128), 1, False)


def test_timms_images_are_cut_as_timm_says():
    kept = prediction_transforms((224, 224), 0.875, 'center', 'bicubic')
    assert kept[1]['type'] == 'ResizeEdge' and kept[1]['scale'] == 256
    squashed = prediction_transforms((224, 256), 1.0, 'squash', 'bilinear')
    assert squashed[1]['type'] == 'Resize' and squashed[1]['scale'] == (256, 224)
    assert image_size(squashed) == (224, 256)


@pytest.mark.parametrize(
    'name, end',
    [
        ('resnet18', 'pth'),
        ('resnet18', 'safetensors'),
        ('vit_tiny_patch16_224', 'pth'),
        pytest.param('swin_tiny_patch4_window7_224', 'pth', marks=pytest.mark.slow),
    ],
)
def test_features_are_timms(name, end, tmp_path):
    timm = pytest.importorskip('timm')
    torch.manual_seed(0)
    model = timm.create_model(name)
    if end == 'pth':
        torch.save(model.state_dict(), tmp_path / 'w.pth')
    else:
        pytest.importorskip('safetensors.torch').save_file(
            model.state_dict(), tmp_path / 'w.safetensors'
        )
    made = extractor(f'timm:{name}', tmp_path / f'w.{end}', tmp_path)

    # By timm alone: RGB, from 0 to 1.
    model.eval().reset_classifier(0)
    mean, std = (torch.tensor(model.pretrained_cfg[key]).view(3, 1, 1) for key in ('mean', 'std'))
    with torch.inference_mode():
        inputs = (images(224).flip(1) / 255 - mean) / std
        expected = model(inputs)
        if name.startswith('vit'):
            expected = model.forward_features(inputs)[:, 1:].mean(1)
        found = made.forward(images(224))
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)
    depths = [made.model.get_layer_depth(key)[0] for key, _ in made.model.named_parameters()]
    assert depths[-1] == max(depths) and len(set(depths)) > 4
    assert np.diff(depths[:-2]).min() >= -1


@pytest.mark.parametrize(
    'name, match',
    [
        ('resnet188', "timm has no network 'resnet188': is it resnet18"),
        ('resnet18.nope', "timm has no network 'resnet18.nope': Invalid pretrained tag"),
    ],
)
def test_timm_has_no_such_network(file, name, match):
    pytest.importorskip('timm')
    with pytest.raises(ValueError, match=match):
        find_backbone(f'timm:{name}', file)
