"""The configs of configs/transfer: they fit their backbones, and train from a checkpoint on folders
of the real shape.
"""

import json
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner

from mmsemiloc.models import load_backbone
from mmsemiloc.registry import MODELS
from mmsemiloc.study.steps import with_length
from tests.configs.transfer_folders import MAKERS
from tests.conftest import make_model

TRANSFER = Path(__file__).parents[2] / 'configs/transfer'
TASKS = sorted(path for folder in ('det', 'seg') for path in (TRANSFER / folder).glob('*.py'))
ARCH = dict(growth_rate=4, depths=[1, 1, 1, 1], init_channels=8)


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    """A folder with small data sets of the layouts that the configs expect."""
    root = tmp_path_factory.mktemp('data')
    for name, make in MAKERS.items():
        make(root / name)
    return root


def test_there_are_the_promised_tasks():
    names = {path.stem for path in TASKS}
    assert names == {
        *(
            f'{detector}_densenet161_fpn_1x_{data}'
            for detector in ('faster-rcnn', 'retinanet')
            for data in ('voc0712', 'coco')
        ),
        *(
            f'{head}_densenet161-d8_{data}'
            for head in ('fcn', 'deeplabv3plus')
            for data in (
                '4xb4-20k_voc12aug-512x512',
                '4xb4-80k_ade20k-512x512',
                '4xb2-40k_cityscapes-512x1024',
            )
        ),
    }


@pytest.mark.parametrize('path', [path for path in TASKS if 'fpn' in path.stem])
def test_the_options_for_densenet_121_fit(path):
    cfg = Config.fromfile(path)
    options = path.read_text().partition('--cfg-options model.backbone.arch')[2].partition('.\n')[0]
    arch, channels = ('arch' + options).split()
    cfg.model.backbone.arch = arch.partition('=')[2]
    assert channels.startswith('model.neck.in_channels=')
    backbone = MODELS.build(cfg.model.backbone)
    assert backbone.out_channels == json.loads(channels.partition('=')[2])


@pytest.mark.parametrize('path', TASKS, ids=lambda path: path.stem)
def test_channels_fit_the_backbone_and_nothing_is_frozen(path):
    assert f'configs/transfer/{path.parent.name}/{path.name}' in path.read_text().split('"""')[1]
    cfg = Config.fromfile(path)
    assert 'init_cfg' not in cfg.model.backbone, 'random weights unless a checkpoint is given'
    assert cfg.sync_bn == 'torch'
    backbone = MODELS.build(cfg.model.backbone)
    channels, strides = backbone.out_channels, backbone.strides
    assert not backbone.norm_eval and all(
        parameter.requires_grad for parameter in backbone.parameters()
    )
    if 'neck' in cfg.model:
        assert (cfg.model.neck.in_channels, strides) == (channels, [4, 8, 16, 32])
    else:
        head, auxiliary = cfg.model.decode_head, cfg.model.auxiliary_head
        assert (head.in_channels, auxiliary.in_channels, strides) == (
            channels[3],
            channels[2],
            [4, 8, 8, 8],
        )
        assert head.get('c1_in_channels', channels[0]) == channels[0]


def shrink(part, size):
    """Make every resize and crop of a config's pipelines ``size`` pixels; end worker processes."""
    if isinstance(part, list | tuple):
        for entry in part:
            shrink(entry, size)
    elif isinstance(part, dict):
        if part.get('type') in ('Resize', 'RandomResize'):
            part['scale'] = (size, size)
        elif part.get('type') in ('RandomCrop', 'Pad'):
            part['crop_size' if part['type'] == 'RandomCrop' else 'size'] = (size, size)
        if 'num_workers' in part:
            part.update(num_workers=0, persistent_workers=False)
        for value in part.values():
            shrink(value, size)


def small(path, data, checkpoint, work_dir):
    """A config with a tiny backbone from a checkpoint, small images and two steps."""
    cfg = Config.fromfile(path)
    text = cfg.pretty_text
    for name in MAKERS:
        for root in (f'data/{name}', f'data/ade/{name}'):
            text = text.replace(f"'{root}", f"'{data / name}")
    cfg = Config.fromstring(text, '.py')
    channels = MODELS.build({**cfg.model.backbone, 'arch': ARCH}).out_channels
    cfg.merge_from_dict(
        {
            'work_dir': str(work_dir),
            'vis_backends': [],
            'visualizer.vis_backends': [],
            'model.backbone.init_cfg.type': 'Pretrained',
            'model.backbone.init_cfg.checkpoint': str(checkpoint),
        }
    )
    cfg.model.backbone.arch = ARCH
    if 'neck' in cfg.model:
        cfg.model.neck.in_channels = channels
        if 'rcnn' not in cfg.model.test_cfg:
            cfg.model.test_cfg.score_thr = 0.0  # after two steps nothing is sure
    else:
        cfg.model.decode_head.in_channels, cfg.model.auxiliary_head.in_channels = (
            channels[3],
            channels[2],
        )
        cfg.model.data_preprocessor.size = (64, 64)
        if 'c1_in_channels' in cfg.model.decode_head:
            cfg.model.decode_head.c1_in_channels = channels[0]
    for part in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        shrink(part, 64)
    cfg.train_cfg = dict(type='IterBasedTrainLoop', max_iters=2, val_interval=2)
    cfg.param_scheduler = []
    return cfg


@pytest.fixture
def checkpoint(tmp_path):
    """What pre-training leaves: a classifier with the tiny backbone."""
    model = make_model(backbone=dict(type='DenseNet', arch=ARCH))
    torch.save({'state_dict': model.state_dict(), 'meta': {}}, tmp_path / 'classifier.pth')
    return tmp_path / 'classifier.pth'


# Each model and each data set once or twice.
TRAINED = (
    'faster-rcnn_densenet161_fpn_1x_voc0712',
    'retinanet_densenet161_fpn_1x_coco',
    'fcn_densenet161-d8_4xb4-20k_voc12aug-512x512',
    'fcn_densenet161-d8_4xb2-40k_cityscapes-512x1024',
    'deeplabv3plus_densenet161-d8_4xb4-80k_ade20k-512x512',
)


@pytest.mark.slow
@pytest.mark.parametrize(
    'path', [path for path in TASKS if path.stem in TRAINED], ids=lambda path: path.stem
)
def test_tasks_train_from_a_checkpoint_on_folders_of_the_real_shape(
    path, data, checkpoint, tmp_path
):
    runner = Runner.from_cfg(small(path, data, checkpoint, tmp_path / 'work'))
    runner.train()
    assert runner.iter == 2
    weights = torch.load(checkpoint, weights_only=False)['state_dict']
    for (
        name,
        parameter,
    ) in runner.model.backbone.named_parameters():  # two small steps away from the checkpoint
        assert not torch.equal(parameter, weights[f'backbone.{name}']), name
        torch.testing.assert_close(parameter, weights[f'backbone.{name}'], rtol=0, atol=0.1)
    values = {key: value.current() for key, value in runner.message_hub.log_scalars.items()}
    assert all(
        torch.isfinite(torch.tensor(value)) for key, value in values.items() if 'loss' in key
    )
    assert {'pascal_voc/mAP', 'coco/bbox_mAP', 'mIoU'} & {
        key.removeprefix('val/') for key in values
    }


@pytest.mark.slow
@pytest.mark.parametrize('path', [TASKS[-1], TASKS[0]], ids=lambda path: path.stem)
def test_a_checkpoint_of_another_backbone_stops_the_run(path, data, checkpoint, tmp_path):
    cfg = small(path, data, checkpoint, tmp_path / 'work')
    torch.save(
        make_model(backbone=dict(type='DenseNet', arch=dict(ARCH, growth_rate=8))).state_dict(),
        checkpoint,
    )
    with pytest.raises(
        ValueError,
        match='22 of 77 tensors of .*classifier.pth fit DenseNetPyramid: 55 of another shape',
    ):
        Runner.from_cfg(cfg).train()


@pytest.mark.slow
@pytest.mark.parametrize(
    'name', ['unsupervised', 'unsupervised_views', 'simclr', 'mocov2', 'simsiam']
)
def test_what_is_pre_trained_on_digits_trains_and_fits_the_tasks(name, tmp_path):
    cfg = Config.fromfile(TRANSFER / f'digits/digits_{name}.py')
    cfg = with_length(cfg, 2)
    cfg.merge_from_dict(
        {
            'work_dir': str(tmp_path),
            'vis_backends': [],
            'visualizer.vis_backends': [],
            'experiment_name': name,
        }
    )
    cfg.train_dataloader.collate_fn = dict(type='default_collate')
    if name.startswith('unsupervised'):
        cfg.val_dataloader.dataset.num_images = 20
    runner = Runner.from_cfg(cfg)
    before = runner.model.backbone.stem[0].weight.detach().clone()
    runner.train()
    assert not torch.equal(runner.model.backbone.stem[0].weight, before)
    task = MODELS.build(Config.fromfile(TRANSFER / 'digits/digits_fcn.py').model.backbone)
    load_backbone(task, str(tmp_path / 'iter_2.pth'))


def test_the_unsupervised_losses_see_no_label():
    cfg = Config.fromfile(TRANSFER / 'digits/digits_unsupervised.py')
    cfg.train_dataloader.dataset.labeled.num_images = 4
    cfg.train_dataloader.dataset.unlabeled.num_images = 70
    loader = Runner.build_dataloader(cfg.train_dataloader, seed=0)
    samples = next(iter(loader))['data_samples']
    assert len(samples) == 64 and not any('gt_label' in sample for sample in samples)
