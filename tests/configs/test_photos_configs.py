"""configs/photos: pretrained backbones, for photographs of one's own."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.hub import get_config
from mmengine.optim import build_optim_wrapper
from mmpretrain.registry import MODELS as MMPRETRAIN_MODELS

from mmsemiloc.commands.common import load_config
from mmsemiloc.engine.build import build_runner
from mmsemiloc.models import load_backbone
from mmsemiloc.registry import MODELS
from tests.datasets.conftest import save_image

CONFIGS = Path(__file__).parents[2] / 'configs'
# MMPretrain's config of each network, and the least pixels of its images.
SOURCES = {
    'resnet50': ('resnet/resnet50_8xb32_in1k', 64),
    'convnext_tiny': ('convnext/convnext-tiny_32xb128_in1k', 64),
    'densenet121': ('densenet/densenet121_4xb256_in1k', 64),
    'densenet161': ('densenet/densenet161_4xb256_in1k', 64),
    'vit_small': ('deit/deit-small_4xb256_in1k', 64),
    'swin_tiny': ('swin_transformer/swin-tiny_16xb64_in1k', 224),
}
PIXELS = {name: pixels for name, (_, pixels) in SOURCES.items()} | {'efficientnet_lite0': 64}
STRIDES = dict.fromkeys(PIXELS, 32) | {'vit_small': 16}
# Of each network: the decay from layer to layer, and how many layers before the classifier some
# parameters are.
DEPTHS = {
    'efficientnet_lite0': (0.7, {'layers.0.conv.weight': 7, 'layers.6.bn.bias': 1}),
    'resnet50': (0.7, {'conv1.weight': 7, 'layer1.0.conv1.weight': 6, 'layer4.2.bn3.bias': 1}),
    'convnext_tiny': (
        0.7,
        {'downsample_layers.0.0.weight': 7, 'stages.3.2.gamma': 1, 'norm3.weight': 0},
    ),
    'densenet121': (
        0.7,
        {
            'stem.0.weight': 5,
            'stages.0.block.0.conv1.weight': 4,
            'transitions.0.conv.weight': 4,
            'transitions.3.0.weight': 1,
        },
    ),
    'densenet161': (0.7, {'stem.0.weight': 5, 'stages.3.block.23.conv2.weight': 1}),
    'vit_small': (
        0.75,
        {'pos_embed': 13, 'layers.0.ln1.weight': 12, 'layers.11.ln1.weight': 1, 'ln1.weight': 0},
    ),
    'swin_tiny': (
        0.8,
        {
            'patch_embed.projection.weight': 13,
            'stages.0.blocks.0.norm1.weight': 12,
            'stages.3.blocks.1.norm1.weight': 1,
            'norm3.weight': 0,
        },
    ),
}
# The option that freezes the first stages of each network, and what is frozen then.
FROZEN = {
    'efficientnet_lite0': (3, ('layers.0.', 'layers.1.', 'layers.2.')),
    'resnet50': (2, ('conv1.', 'bn1.', 'layer1.', 'layer2.')),
    'convnext_tiny': (
        2,
        ('downsample_layers.0.', 'stages.0.', 'downsample_layers.1.', 'stages.1.'),
    ),
    'densenet121': (2, ('stages.0.', 'transitions.0.', 'stages.1.', 'transitions.1.')),
    'vit_small': (2, ('cls_token', 'pos_embed', 'patch_embed.', 'layers.0.', 'layers.1.')),
    'swin_tiny': (1, ('patch_embed.', 'stages.0.', 'stages.1.')),
}


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    """For each network, a checkpoint that MMPretrain's own model of it could have written."""
    folder, files = tmp_path_factory.mktemp('made'), {}

    def file(name):
        if name not in files:
            torch.manual_seed(0)
            cfg = get_config(f'mmpretrain::{SOURCES[name][0]}.py')
            model = MMPRETRAIN_MODELS.build({**cfg.model, 'data_preprocessor': None})
            files[name] = str(folder / f'{name}.pth')
            state = dict(meta={}, state_dict=model.state_dict())
            torch.save(state, files[name])
        return files[name]

    return file


def read(name, **options):
    """A config for 3 classes, and with other values."""
    path = CONFIGS / f'photos/photos_{name}.py'
    return load_config(path, ('model', 'train_dataloader'), {'num_classes': 3, **options})


def build(name, **options):
    torch.manual_seed(0)
    return MODELS.build(read(name, **options).model)


@pytest.mark.parametrize('name', PIXELS)
@torch.no_grad()
def test_class_scores_are_the_means_of_the_maps(name):
    model, pixels, stride = build(name), PIXELS[name], STRIDES[name]
    if name not in SOURCES:  # without its weights, its maps are all but 0
        model.init_weights()
    torch.nn.init.normal_(model.head.fc.weight)
    model.eval()
    size = (pixels, pixels + 64)
    feats = model.extract_feat(torch.randn(2, 3, *size))
    logits = model.head(feats)

    for label in range(3):
        maps = model.head.cam(feats, torch.tensor([label, label]))
        assert maps.shape == (2, size[0] // stride, size[1] // stride)
        assert maps.std() > 1e-3  # they are maps
        torch.testing.assert_close(
            maps.mean((1, 2)) + model.head.fc.bias[label], logits[:, label], rtol=1e-3, atol=1e-4
        )


@pytest.mark.parametrize(
    'name, option',
    [
        ('convnext_tiny', dict(gap_before_final_norm=True)),
        ('vit_small', dict(out_type='cls_token')),
    ],
)
@torch.no_grad()
def test_a_backbone_that_pools_has_no_maps(name, option):
    """Negative control: what the configs change in MMPretrain's networks."""
    model = build(name, **{f'model.backbone.{key}': value for key, value in option.items()})
    feats = model.extract_feat(torch.randn(2, 3, 64, 64))
    with pytest.raises(ValueError, match=f'{next(iter(option))}=.* of a'):
        model.head.cam(feats, torch.tensor([0, 0]))


@pytest.mark.parametrize('name', SOURCES)
def test_a_checkpoint_of_mmpretrain_fills_the_backbone(name, made):
    model = build(name, pretrained=made(name))
    model.init_weights()
    theirs = torch.load(made(name), weights_only=True)['state_dict']
    own = model.backbone.state_dict()
    assert own.keys() == {key[9:] for key in theirs if key.startswith('backbone.')}
    assert all(tensor.equal(theirs[f'backbone.{key}']) for key, tensor in own.items())


@pytest.mark.parametrize('name', SOURCES)
def test_a_checkpoint_with_other_keys_is_refused(name, made, tmp_path):
    content = torch.load(made(name), weights_only=True)
    key = next(key for key in reversed(content['state_dict']) if key.startswith('backbone.'))
    content['state_dict'][f'{key}_new'] = content['state_dict'].pop(key)
    torch.save(content, tmp_path / 'other.pth')
    model = build(name, pretrained=str(tmp_path / 'other.pth'))
    with pytest.raises(ValueError, match=rf'tensors of .*other\.pth fit .*{key[9:]}'):
        model.init_weights()


def test_the_weights_of_another_network_are_refused(made):
    with pytest.raises(ValueError, match='0 of 183 tensors of .*resnet50.pth fit SwinTransformer'):
        build('swin_tiny', pretrained=made('resnet50')).init_weights()


def test_a_missing_file_is_an_error():
    with pytest.raises(ValueError, match='no such checkpoint: nowhere.pth'):
        build('resnet50', pretrained='nowhere.pth').init_weights()


def test_weights_for_larger_images_are_resized(made):
    """A ViT of 384 pixels has more positions."""
    model = build('vit_small', **{'model.backbone.img_size': 384})
    load_backbone(model.backbone, made('vit_small'))
    assert model.backbone.pos_embed.shape == (1, 24 * 24 + 1, 384)


def test_the_masks_of_old_swin_files_are_no_fault(made, tmp_path):
    content = torch.load(made('swin_tiny'), weights_only=True)
    content['state_dict']['backbone.stages.0.blocks.1.attn.attn_mask'] = torch.zeros(64, 49, 49)
    content['state_dict']._metadata = {}
    torch.save(content, tmp_path / 'old.pth')
    build('swin_tiny', pretrained=str(tmp_path / 'old.pth')).init_weights()


@pytest.mark.parametrize('name', DEPTHS)
def test_learning_rates_fall_with_the_distance_from_the_classifier(name):
    cfg, model = read(name), build(name)
    wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    groups = {group['param_name']: group for group in wrapper.optimizer.param_groups}
    assert len(groups) == sum(p.requires_grad for p in model.parameters())

    rate, expected = DEPTHS[name]
    lr = cfg.optim_wrapper.optimizer.lr
    assert groups['head.fc.weight']['lr'] == groups['head.fc.bias']['lr'] == lr
    for part, distance in expected.items():
        assert groups[f'backbone.{part}']['lr'] == pytest.approx(lr * rate**distance), part

    # Only matrices decay.
    for part, group in groups.items():
        [parameter] = group['params']
        flat = parameter.ndim == 1 or part.endswith(('token', 'embed', 'bias_table'))
        assert group['weight_decay'] == (0 if flat else 0.05), part


@pytest.mark.parametrize('name', FROZEN)
def test_the_first_stages_can_be_frozen(name):
    stages, parts = FROZEN[name]
    model = build(name, **{'model.backbone.frozen_stages': stages})
    model.train()
    for key, parameter in model.backbone.named_parameters():
        assert parameter.requires_grad != key.startswith(parts), key
    assert all(parameter.requires_grad for parameter in model.head.parameters())


@pytest.fixture(scope='module')
def photos(tmp_path_factory):
    """A folder as configs/_base_/photos.py describes it."""
    root = tmp_path_factory.mktemp('photos')
    lists = {'labeled': [], 'unlabeled': [], 'val': []}
    for i in range(12):
        name, part = f'{"abc"[i % 3]}/{i}.jpg', ('labeled', 'unlabeled', 'val')[i // 4]
        save_image(root / name, (250, 260), seed=i)
        lists[part].append(name if part == 'unlabeled' else f'{name} {i % 3}')
    for part, lines in lists.items():
        (root / f'{part}.txt').write_text('\n'.join(lines) + '\n')
    return root


def shrink(transforms, pixels):
    """Crops of fewer pixels."""
    for transform in transforms:
        if isinstance(transform, list):
            shrink(transform, pixels)
        elif transform.type == 'RandomResizedCrop':
            transform.scale = pixels
        elif transform.type == 'MultiView':
            shrink(transform.transforms, pixels)
        elif transform.type == 'CenterCrop':
            transform.crop_size = pixels


@pytest.mark.slow
@pytest.mark.parametrize('name', [*PIXELS, 'fixmatch'])
def test_a_step_of_training(name, photos, made, tmp_path):
    options = dict(pretrained=made(name)) if name in SOURCES else {}
    cfg = read(
        name,
        data_root=str(photos),
        batch_size=4,
        micro_batch_size=2,
        **options,
        **{'visualizer.vis_backends': [], 'train_cfg.max_iters': 1, 'train_cfg.val_interval': 1},
    )
    cfg.param_scheduler, cfg.work_dir, cfg.experiment_name = [], str(tmp_path), name
    cfg.train_dataloader.sampler.epoch_length = cfg.default_hooks.logger.interval = 1
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        loader.update(num_workers=0, persistent_workers=False)
    for dataset in (*cfg.train_dataloader.dataset.values(), cfg.val_dataloader.dataset):
        if isinstance(dataset, dict):
            shrink(dataset['pipeline'], PIXELS.get(name, 64))
    for term in cfg.model.head.values():
        if isinstance(term, dict) and 'schedule' in term:
            term.schedule = None

    runner = build_runner(cfg)
    runner.train()
    logged = runner.message_hub.log_scalars
    terms = ['ce', 'mel', 'nbel', 'locality', *(['fixmatch'] if name == 'fixmatch' else [])]
    for key in (*(f'train/loss_{term}' for term in terms), 'val/accuracy/top1'):
        assert np.isfinite(logged[key].current()), key

    # A layer moves by about its learning rate.
    if name in SOURCES:
        before = torch.load(made(name), weights_only=True)['state_dict']
        for part, distance in DEPTHS[name][1].items():
            change = runner.model.backbone.get_parameter(part).detach() - before[f'backbone.{part}']
            expected = cfg.optim_wrapper.optimizer.lr * DEPTHS[name][0] ** distance
            assert change.abs().max() == pytest.approx(expected, rel=0.1), part


def test_each_network_has_a_config():
    files = {path.stem.removeprefix('photos_') for path in (CONFIGS / 'photos').glob('*.py')}
    assert files == {*PIXELS, 'fixmatch'}
    for name in SOURCES:
        cfg = Config.fromfile(CONFIGS / f'photos/photos_{name}.py')
        assert cfg.pretrained.startswith('https://') and cfg.pretrained.endswith('.pth')
