"""The self-supervised peers and the probes of configs/transfer on a folder of the shape of
ImageNet.
"""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.runner import Runner

from mmsemiloc.models import load_backbone
from mmsemiloc.registry import MODELS
from tests.conftest import make_model
from tests.datasets.test_semi_sup_sampler import make as make_sampler

CONFIGS = Path(__file__).parents[2] / 'configs'
PEERS = sorted((CONFIGS / 'transfer/pretrain_peers').glob('*.py'))
PROBES = sorted((CONFIGS / 'transfer/cls').glob('*.py'))
ARCH = dict(growth_rate=4, depths=[1, 1, 1, 1], init_channels=8)
GPUS = 8


def test_there_are_the_promised_peers_and_probes():
    assert {path.stem.split('_')[0] for path in PEERS} == {
        'mocov2',
        'mocov3',
        'simclr',
        'byol',
        'simsiam',
        'barlowtwins',
        'swav',
    }
    assert {path.stem for path in PROBES} == {
        'linear_densenet161_in1k',
        'finetune_densenet161_in1k-1pct',
        'finetune_densenet161_in1k-10pct',
    }
    for path in (*PEERS, *PROBES):
        assert (
            f'configs/transfer/{path.parent.name}/{path.name}' in path.read_text().split('"""')[1]
        )


def views_of(transforms):
    """Views an image, in views of 224 x 224 pixels."""
    views = next(transform for transform in transforms if transform.type == 'MultiView')
    counts = [views.num_views] if isinstance(views.num_views, int) else views.num_views
    return sum(
        count * (view[0].scale / 224) ** 2
        for count, view in zip(counts, views.transforms, strict=True)
    )


def images_of(name, monkeypatch):
    """Images that one of our ImageNet configs forwards in all."""
    cfg = Config.fromfile(CONFIGS / name)
    settings = {key: value for key, value in cfg.train_dataloader.sampler.items() if key != 'type'}
    sampler = make_sampler(64_000, 200_000, 0, GPUS, monkeypatch, **settings)
    return len(sampler) * GPUS * cfg.train_cfg.max_epochs


@pytest.mark.parametrize('path', PEERS, ids=lambda path: path.stem)
def test_peers_see_as_many_views_as_the_whole_method(path, monkeypatch):
    cfg = Config.fromfile(path)
    assert cfg.train_dataloader.dataset.ann_file == 'meta/unlabeled_200000.txt'
    views = 200_000 * views_of(cfg.train_dataloader.dataset.pipeline) * cfg.train_cfg.max_epochs
    assert views == pytest.approx(images_of('densenet_mel_nbel_loc.py', monkeypatch), rel=0.01)
    cosine = cfg.param_scheduler[-1]
    assert cosine.end == cosine.begin + cosine.T_max == cfg.train_cfg.max_epochs


def test_other_initialisations_have_the_steps_of_the_whole_method(monkeypatch):
    whole = images_of('densenet_mel_nbel_loc.py', monkeypatch)
    assert images_of('imagenet/densenet_ce_mel.py', monkeypatch) == whole
    assert images_of('imagenet/densenet_unsupervised.py', monkeypatch) == whole
    # cross-entropy: the labelled images of each step alone
    ratio = dict(batch_size=224, labeled_ratio=0.7, micro_batch_size=56)
    labeled = make_sampler(64_000, 200_000, 0, 1, monkeypatch, **ratio).counts[True]
    assert images_of('imagenet/densenet_ce.py', monkeypatch) / whole == labeled / 224


def tiny_model(cfg):
    """Shrink a peer's or probe's network."""
    cfg.model.backbone.arch = ARCH
    channels = MODELS.build(dict(type='mmsemiloc.DenseNetPyramid', arch=ARCH)).out_channels[-1]
    part = cfg.model.neck if 'in_channels' in cfg.model.neck else cfg.model.head
    part.in_channels = channels


def in_float32(optim_wrapper):
    """An optimiser wrapper for a CPU: float16 is for GPUs."""
    return {
        **{key: value for key, value in optim_wrapper.to_dict().items() if key != 'loss_scale'},
        'type': 'OptimWrapper',
    }


def left_out_of_lars(model, optim_wrapper):
    """Names of the backbone's parameters without weight decay and LARS's scaling."""
    groups = build_optim_wrapper(model, in_float32(optim_wrapper)).optimizer.param_groups
    ids = {
        id(parameter)
        for group in groups
        if group.get('lars_exclude') and group['weight_decay'] == 0
        for parameter in group['params']
    }
    return {name for name, parameter in model.backbone.named_parameters() if id(parameter) in ids}


@pytest.mark.parametrize('name', ['mocov3', 'simclr', 'byol', 'barlowtwins'])
def test_lars_leaves_out_of_a_densenet_what_the_recipe_leaves_out_of_a_resnet(name):
    """BatchNorm's weights and biases. (MoCo v2 and SimSiam have no LARS, and SwAV's leaves nothing
    out.)
    """
    cfg = Config.fromfile(CONFIGS / f'transfer/pretrain_peers/{name}_densenet161_200k.py')
    tiny_model(cfg)
    model = MODELS.build(cfg.model)
    norms = {
        f'{layer}.{kind}'
        for layer, module in model.backbone.named_modules()
        if isinstance(module, torch.nn.modules.batchnorm._NormBase)
        for kind in ('weight', 'bias')
    }
    assert left_out_of_lars(model, cfg.optim_wrapper) == norms
    for key in ('norm', 'stem.1', 'transitions.3.0'):
        del cfg.optim_wrapper.paramwise_cfg.custom_keys[key]
    assert left_out_of_lars(model, cfg.optim_wrapper) == {
        name for name in norms if name.endswith('bias')
    }  # negative control


def shrink_views(transforms):
    """Crops of a quarter of their size, also within views."""
    for transform in transforms:
        if isinstance(transform, list):
            shrink_views(transform)
        elif transform.type in ('RandomResizedCrop', 'CenterCrop'):
            key = 'scale' if 'scale' in transform else 'crop_size'
            transform[key] //= 3 if transform[key] == 96 else 7
        elif transform.type == 'MultiView':
            shrink_views(transform.transforms)


def tiny_config(path, folder, work_dir):
    """Two steps of 4 small images."""
    cfg = Config.fromfile(path)
    tiny_model(cfg)
    cfg.merge_from_dict(
        {
            'work_dir': str(work_dir),
            'vis_backends': [],
            'visualizer.vis_backends': [],
            'experiment_name': work_dir.name,
            'auto_scale_lr.enable': False,
            'optim_wrapper.optimizer.lr': 0.01,
        }
    )
    for loader in (cfg.train_dataloader, cfg.get('val_dataloader'), cfg.get('test_dataloader')):
        if loader:
            loader.dataset.data_root = str(folder)
            loader.update(batch_size=4, num_workers=0, persistent_workers=False)
            shrink_views(loader.dataset.pipeline)
    cfg.train_cfg = dict(type='IterBasedTrainLoop', max_iters=2, val_interval=2)
    cfg.param_scheduler = []
    cfg.default_hooks.checkpoint = dict(type='CheckpointHook', by_epoch=False, interval=2)
    cfg.optim_wrapper = in_float32(cfg.optim_wrapper)
    return cfg


@pytest.mark.slow
@pytest.mark.parametrize('path', PEERS, ids=lambda path: path.stem)
def test_peers_train_and_their_checkpoints_fit(path, imagenet_folder, tmp_path):
    runner = Runner.from_cfg(tiny_config(path, imagenet_folder, tmp_path))
    before = runner.model.backbone.stem[0].weight.detach().clone()
    runner.train()
    assert runner.iter == 2 and not torch.equal(runner.model.backbone.stem[0].weight, before)
    assert torch.isfinite(torch.tensor(runner.message_hub.get_scalar('train/loss').current()))
    backbone = MODELS.build(dict(type='mmsemiloc.DenseNetPyramid', arch=ARCH))
    load_backbone(backbone, str(tmp_path / 'iter_2.pth'))
    assert torch.equal(backbone.stem[0].weight, runner.model.backbone.stem[0].weight)


@pytest.mark.slow
@pytest.mark.parametrize('path', PROBES, ids=lambda path: path.stem)
def test_probes_train_from_a_checkpoint(path, imagenet_folder, tmp_path):
    torch.save(
        make_model(backbone=dict(type='DenseNet', arch=ARCH)).state_dict(),
        tmp_path / 'classifier.pth',
    )
    cfg = tiny_config(path, imagenet_folder, tmp_path)
    cfg.model.backbone.init_cfg = dict(
        type='Pretrained', checkpoint=str(tmp_path / 'classifier.pth')
    )
    runner = Runner.from_cfg(cfg)
    runner.train()
    weights = torch.load(tmp_path / 'classifier.pth')
    same = {
        name: torch.equal(value, weights[f'backbone.{name}'])
        for name, value in runner.model.backbone.state_dict().items()
    }
    if path.stem.startswith('linear'):
        assert all(same.values()), 'frozen'
    else:
        assert not any(same[name] for name, _ in runner.model.backbone.named_parameters())
    assert 'val/accuracy/top1' in runner.message_hub.log_scalars
