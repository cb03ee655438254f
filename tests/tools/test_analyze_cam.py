"""Checkpoints of two short runs, of a stock ResNet, pictures of files, and what is refused."""

import csv
import re
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmpretrain.registry import MODELS

from tests.configs.test_configs import tiny_digits
from tests.tools.conftest import run_tool

STOCK = """
default_scope = 'mmpretrain'
data_preprocessor = dict(num_classes=2, mean=[128, 128, 128], std=[64, 64, 64], to_rgb=True)
model = dict(
    type='ImageClassifier',
    backbone=dict(type='ResNet', depth=50, stem_channels=8, base_channels=4),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(
        type='LinearClsHead', num_classes=2, in_channels=128, loss=dict(type='CrossEntropyLoss')))
test_dataloader = dict(
    batch_size=4,
    num_workers=0,
    dataset=dict(
        type='CustomDataset',
        data_root='DATA',
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='Resize', scale=64),
            dict(type='PackInputs')]),
    sampler=dict(type='DefaultSampler', shuffle=False))
"""


@pytest.fixture(scope='module')
def runs(tmp_path_factory):
    """Two runs of 4 steps with a checkpoint every 2, and the metrics of the last one."""
    folder = tmp_path_factory.mktemp('runs')
    init_default_scope('mmpretrain')
    configs, metrics = {}, {}
    for name, seed in (('one', 0), ('two', 1)):
        cfg = tiny_digits(
            'digits_ce',
            folder,
            experiment_name=f'{folder.name}{name}',
            **{
                'default_hooks.checkpoint.interval': 2,
                'default_hooks.checkpoint.max_keep_ckpts': -1,
                'randomness.seed': seed,
                'test_dataloader.dataset.num_images': 12,
            },
        )
        cfg.work_dir = str(folder / name)
        cfg.train_dataloader.batch_size = cfg.train_dataloader.sampler.batch_size = 8
        configs[name] = folder / f'{name}.py'
        cfg.dump(configs[name])
        runner = Runner.from_cfg(cfg)
        runner.train()
        metrics[name] = runner.test()
    return SimpleNamespace(folder=folder, configs=configs, metrics=metrics)


def rows_of(folder):
    with (folder / 'cam_analysis.csv').open() as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_two_runs_side_by_side(runs, tmp_path):
    out = tmp_path / 'out'
    words = [
        word
        for name in ('one', 'two')
        for word in ('--run', name, runs.configs[name], runs.folder / name)
    ]
    stdout, stderr = run_tool(
        'analyze_cam.py', *words, '--split', 'test', '--strips', 2, '--out', out, '--html'
    )
    rows = rows_of(out)
    assert [(row['run'], row['iter']) for row in rows] == [
        ('one', '2'),
        ('one', '4'),
        ('two', '2'),
        ('two', '4'),
        ('uniform map', ''),
        ('centre map', ''),
    ]
    for row in (rows[1], rows[3]):
        metrics = runs.metrics[row['run']]
        assert float(row['accuracy']) == pytest.approx(metrics['accuracy/top1'])
        for name in ('MaxBoxAccV2', 'in_box', 'pointing', 'area'):
            assert float(row[name]) == pytest.approx(
                metrics[f'localization/top1_{name}'], rel=1e-4
            ), name
            assert f'{float(row[name]):.1f}' in stdout
    assert rows[1]['in_box'] != rows[3]['in_box'] and rows[0]['in_box'] != rows[1]['in_box']
    assert (
        'test split, 12 images' in (out / 'cam_analysis.md').read_text()
        and (out / 'cam_evolution.png').is_file()
    )
    strips = [cv2.imread(str(out / f'strips/{index:03d}.png')) for index in range(2)]
    assert [strip.shape[1] for strip in strips] == [3 * 128] * 2 and not (
        out / 'strips/002.png'
    ).exists()
    assert not re.search('warn|Traceback|Loads checkpoint', stdout + stderr)

    page = (out / 'report.html').read_text()
    assert not re.search(r'(src|href|srcset)="(?!data:)|<script|<link|@import|url\(', page)
    images = re.findall(r'<img alt="([^"]*)"', page)
    assert images[:4] == ['Accuracy, %', 'MaxBoxAccV2, %', 'In box, %', 'Area, %']
    classes = [re.fullmatch(r'image \d+, class (\d)', name)[1] for name in images[4:]]
    assert len(classes) == len(set(classes)) == 2  # not of one class
    assert len(set(re.findall(r'src="data:image/png;base64,([^"]*)"', page))) == len(images)


@pytest.fixture(scope='module')
def stock(tmp_path_factory):
    """A ResNet-50 of mmpretrain with random weights, and its images in folders of their class,
    without boxes.
    """
    folder = tmp_path_factory.mktemp('stock')
    noise = np.random.default_rng(0)
    for index in range(6):
        path = folder / f'data/class{index % 2}/{index}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), noise.integers(0, 256, (64, 64 + 8 * index, 3), dtype=np.uint8))
    config = folder / 'stock.py'
    config.write_text(STOCK.replace('DATA', str(folder / 'data')))
    cfg = Config.fromfile(config)
    init_default_scope('mmpretrain')
    torch.manual_seed(0)
    model = MODELS.build(dict(cfg.model, data_preprocessor=cfg.data_preprocessor))
    torch.save(dict(state_dict=model.state_dict()), folder / 'stock.pth')
    return folder


@pytest.mark.slow
def test_a_stock_model_without_boxes(stock, tmp_path):
    stdout, _ = run_tool(
        'analyze_cam.py',
        stock / 'stock.py',
        stock / 'stock.pth',
        '--split',
        'test',
        '--num-images',
        5,
        '--out',
        tmp_path / 'out',
    )
    (row,) = rows_of(tmp_path / 'out')
    assert (
        row['run'] == 'stock'
        and row['MaxBoxAccV2'] == row['in_box'] == row['pointing'] == row['iter'] == ''
    )
    assert float(row['accuracy']) % 20 == 0 and 0 < float(row['area']) < 100
    assert '5 of 5 images have no box (gt_bboxes): they count in accuracy and area only' in stdout
    assert (
        not (tmp_path / 'out/cam_evolution.png').exists()
        and len(list((tmp_path / 'out/strips').iterdir())) == 5
    )


@pytest.mark.slow
def test_pictures_of_image_files(stock, tmp_path):
    (tmp_path / 'torn.jpg').write_bytes(b'no image')
    out = tmp_path / 'out'
    stdout, stderr = run_tool(
        'analyze_cam.py',
        stock / 'stock.py',
        stock / 'stock.pth',
        stock / 'stock.pth',
        '--images',
        stock / 'data',
        tmp_path / 'torn.jpg',
        '--out',
        out,
        '--html',
        status=1,
    )
    assert f'cannot read {tmp_path / "torn.jpg"}: ' in stderr
    assert sorted(path.name for path in out.iterdir()) == ['report.html', 'strips']
    assert len(list((out / 'strips').iterdir())) == 6
    assert cv2.imread(str(out / 'strips/000.png')).shape[1] == 3 * 128
    assert '2.png' in (out / 'report.html').read_text()


@pytest.mark.parametrize(
    'arguments, message',
    [
        ([], 'expected CONFIG CHECKPOINT..., or --run NAME'),
        (['CONFIG'], 'expected CONFIG CHECKPOINT..., or --run NAME'),
        (
            ['CONFIG', 'CHECKPOINT', '--run', 'a', 'CONFIG', 'CHECKPOINT'],
            'expected CONFIG CHECKPOINT..., or --run NAME',
        ),
        (['--run', 'a', 'CONFIG'], 'needs a name, a config and a checkpoint, got a '),
        (
            ['--run', 'a', 'CONFIG', 'CHECKPOINT', '--run', 'a', 'CONFIG', 'CHECKPOINT'],
            'a name of its own, got a, a',
        ),
        (['nowhere.py', 'CHECKPOINT'], 'no such config file: nowhere.py'),
        (['CONFIG', 'nowhere.pth'], 'no such checkpoint: nowhere.pth'),
        (['CONFIG', 'EMPTY'], 'no checkpoint in '),
        (['CONFIG', 'TORN'], 'cannot load checkpoint '),
        (['CONFIG', 'OTHER', '--split', 'test'], '0 of 320 tensors of '),
        (['CONFIG', 'CHECKPOINT'], 'the config has no val_dataloader'),
        (['CONFIG', 'CHECKPOINT', '--images', 'EMPTY'], 'no image in '),
        (
            [
                'CONFIG',
                'POWER',
                '--split',
                'test',
                '--cfg-options',
                'model.neck.type=GeneralizedMeanPooling',
            ],
            'need a linear head over average-pooled maps, but LinearClsHead over ResNet is not one',
        ),
    ],
)
def test_bad_input_is_one_line(arguments, message, refuse, stock, tmp_path):
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'torn.pth').write_bytes((stock / 'stock.pth').read_bytes()[:500])
    torch.save(dict(state_dict=dict(weight=torch.ones(1))), tmp_path / 'other.pth')
    weights = torch.load(stock / 'stock.pth')['state_dict']
    torch.save(
        dict(state_dict={**weights, 'neck.p': torch.full((1,), 3.0)}), tmp_path / 'power.pth'
    )
    names = dict(
        CONFIG=stock / 'stock.py',
        CHECKPOINT=stock / 'stock.pth',
        EMPTY=tmp_path / 'empty',
        TORN=tmp_path / 'torn.pth',
        OTHER=tmp_path / 'other.pth',
        POWER=tmp_path / 'power.pth',
    )
    out = tmp_path / 'out'
    assert message in refuse(
        'analyze_cam', *(names.get(argument, argument) for argument in arguments), '--out', out
    )
    assert not out.exists()


def test_help_has_an_example():
    assert 'example:\n  python tools/analyze_cam.py' in run_tool('analyze_cam.py', '--help')[0]
