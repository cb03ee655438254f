"""Runs and results of the transfer study."""

import re

import pytest
import torch
import torchvision
from mmengine.config import Config
from mmengine.runner import Runner

from mmsemiloc.files import write_json
from mmsemiloc.study import Cost, Result, transfer, worker
from mmsemiloc.study.runs import NO_TEST
from mmsemiloc.study.transfer import check_start, initialised, known_metrics, plan_transfer

TRAINING = dict(steps=4, images=32, seconds=2.5, memory_mib=100.0, curves={})


def make_config():
    return Config(dict(model=dict(backbone=dict(type='X')), work_dir='elsewhere'))


def test_metrics_have_the_names_and_units_of_the_field():
    metrics = {
        'coco/bbox_mAP': 0.25,
        'coco/bbox_mAP_s': 0.1,
        'mIoU': 40.5,
        'pascal_voc/mAP': 0.7,
        'accuracy/top1': 71.0,
    }
    assert known_metrics(metrics) == {'AP': 25.0, 'mAP': 70.0, 'mIoU': 40.5, 'top-1': 71.0}


def test_a_detector_that_finds_nothing_has_an_ap_of_0():
    zero = {'coco/bbox_mAP': 0, 'coco/bbox_mAP_50': 0, 'coco/bbox_mAP_75': 0}
    assert transfer.checked_metrics({}, ['CocoMetric']) == zero
    assert transfer.checked_metrics({'mIoU': 3}, ['IoUMetric', 'CocoMetric']) == {'mIoU': 3, **zero}
    assert transfer.checked_metrics({'coco/bbox_mAP': 0.5}, ['CocoMetric']) == {
        'coco/bbox_mAP': 0.5
    }
    assert transfer.checked_metrics({'mIoU': 3}, ['IoUMetric']) == {'mIoU': 3}


@pytest.mark.parametrize('metrics', [{}, {'mDice': 3.0}])
def test_a_task_without_a_known_metric_is_an_error(metrics):
    with pytest.raises(ValueError, match='the test of the task gave (nothing|mDice)'):
        transfer.checked_metrics(metrics, ['IoUMetric'])


def test_an_initialisation_changes_the_backbone_alone_and_not_the_given_config():
    cfg = make_config()
    assert initialised(cfg, 'a.pth').model.backbone.init_cfg == dict(
        type='Pretrained', checkpoint='a.pth'
    )
    assert initialised(cfg, None).model.backbone.init_cfg is None
    assert 'init_cfg' not in cfg.model.backbone


@pytest.mark.parametrize('scope', ['mmpretrain', 'mmdet', 'mmseg'])
def test_a_checkpoint_must_fit_the_backbone_of_a_task(scope, tmp_path):
    pytest.importorskip(scope)
    cfg = Config(dict(model=dict(backbone=dict(type='ResNet', depth=18)), default_scope=scope))
    state = torchvision.models.resnet18().state_dict()
    path = str(tmp_path / 'a.pth')
    torch.save({'model': {f'backbone.{name}': value for name, value in state.items()}}, path)
    check_start(cfg, path)
    for file, message in (
        ({'stem.0.weight': torch.zeros(1)}, '0 of 120 tensors of .* fit ResNet'),
        (dict(list(state.items())[:60]), '60 of 120 tensors of .* fit ResNet'),
    ):
        torch.save(file, path)
        with pytest.raises(ValueError, match=message):
            check_start(cfg, path)
    with pytest.raises(ValueError, match='no such checkpoint: .*none.pth'):
        check_start(cfg, str(tmp_path / 'none.pth'))


@pytest.mark.parametrize('guarded', [True, False])
def test_the_process_of_a_run_loads_all_of_a_backbone_or_stops(guarded, tmp_path, monkeypatch):
    """For a model of another project; without the guard it trains from random weights."""
    pipeline = [dict(type='PackInputs')]
    cfg = Config(
        dict(
            default_scope='mmpretrain',
            model=dict(
                type='ImageClassifier',
                neck=dict(type='GlobalAveragePooling'),
                data_preprocessor=dict(mean=[128] * 3, std=[64] * 3, num_classes=10),
                backbone=dict(
                    type='DenseNet', arch=dict(growth_rate=4, depths=[2], init_channels=8)
                ),
                head=dict(type='LinearClsHead', num_classes=10, in_channels=16),
            ),
            train_dataloader=dict(
                batch_size=2,
                num_workers=0,
                sampler=dict(type='DefaultSampler', shuffle=False),
                dataset=dict(type='mmsemiloc.DigitScenes', num_images=4, pipeline=pipeline),
            ),
            optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.1)),
            train_cfg=dict(type='IterBasedTrainLoop', max_iters=1),
        )
    )
    torch.save({'stem.0.weight': torch.zeros(8, 3, 7, 7)}, tmp_path / 'a.pth')
    cfg = initialised(cfg, str(tmp_path / 'a.pth'))
    run = plan_transfer(f'guard {guarded}', 'cls', cfg, 0, tmp_path)
    if guarded:
        with pytest.raises(ValueError, match='1 of 35 tensors of .*a.pth fit DenseNet'):
            worker.train(run, lambda message: None)
    else:
        monkeypatch.setattr(worker, 'build_runner', Runner.from_cfg)
        worker.train(run, lambda message: None)
        assert run.trained.is_file()


def test_runs_have_folders_of_their_own(tmp_path):
    cfg = make_config()
    runs = [
        plan_transfer(name, task, initialised(cfg, file), seed, tmp_path)
        for name, file in (('CE + MEL', 'a.pth'), ('other', 'b.pth'))
        for task in ('det', 'seg')
        for seed in (0, 1)
    ]
    assert len({run.folder for run in runs}) == len(runs)
    assert all(re.fullmatch(r'[\w.-]+', run.folder.parent.name) for run in runs)
    # The same name with another checkpoint is another run.
    again = plan_transfer('CE + MEL', 'det', initialised(cfg, 'c.pth'), 0, tmp_path)
    assert again.folder != runs[0].folder and runs[0].label == 'CE + MEL, det, seed 0'


def test_a_result_is_there_when_trained_and_tested(tmp_path):
    run = plan_transfer('full', 'det', make_config(), 3, tmp_path)
    run.folder.mkdir(parents=True)
    assert run.result(NO_TEST) is None and run.result('test') is None
    write_json(run.trained, TRAINING)
    assert run.result('test') is None
    cost = Cost(steps=4, images=32, seconds=2.5, memory_mib=100.0)
    folder = str(run.folder)
    assert run.result(NO_TEST) == Result('full', 3, NO_TEST, {}, cost, 'det', folder)
    write_json(run.evaluated('test'), {'coco/bbox_mAP': 0.5})
    assert run.result('test').metrics == {'AP': 50.0}
    assert run.result('test').summary == 'test AP 50.0 %, trained 4 steps in 2 s'
    assert run.result(NO_TEST).summary == 'trained 4 steps in 2 s'
