"""tools/transfer.py: named checkpoints on a task, a small `digits`, and bad input."""

import csv
import re
from dataclasses import fields

import pytest
import torch

from mmsemiloc.commands import transfer
from mmsemiloc.datasets.dense_digit_scenes import write_dense_scenes
from mmsemiloc.study import Cost
from tests.conftest import make_model
from tests.tools.conftest import ROOT, run_tool

SMALL = """
_base_ = '{root}/configs/transfer/digits/digits_fcn.py'
model = dict(backbone=dict(arch=dict(depths=[2])), decode_head=dict(in_channels=64))
train_dataloader = dict(batch_size=2, dataset=dict(data_root='{data}'))
test_dataloader = dict(dataset=dict(data_root='{data}'))
train_cfg = dict(max_iters=2, val_interval=2)
param_scheduler = []
default_hooks = dict(checkpoint=dict(interval=2))
"""


@pytest.fixture
def task(tmp_path):
    """A config of a task of two steps, with its images and a checkpoint for each of two seeds
    beside it.
    """
    for split in ('train', 'test'):
        write_dense_scenes(tmp_path / 'data', split, 4)
    (tmp_path / 'small.py').write_text(SMALL.format(root=ROOT, data=tmp_path / 'data'))
    for seed in (0, 1):
        backbone = dict(
            type='DenseNet', arch=dict(growth_rate=16, depths=[2], init_channels=32), bn_size=2
        )
        model = make_model(seed=seed, backbone=backbone, head=dict(in_channels=64))
        torch.save({'state_dict': model.state_dict()}, tmp_path / f'ce_{seed}.pth')
    return tmp_path / 'small.py'


@pytest.mark.slow
def test_a_task_from_named_checkpoints_and_from_random_weights(task, tmp_path):
    files = [
        part
        for kind in ('csv', 'markdown', 'html')
        for part in (f'--{kind}', tmp_path / f'out.{kind}')
    ]
    command = [
        'transfer.py',
        task,
        '--checkpoints',
        f'ce={tmp_path}/ce_{{seed}}.pth',
        '--seeds',
        0,
        1,
        '--jobs',
        2,
        '--work-dir',
        tmp_path / 'runs',
        *files,
    ]
    stdout, _ = run_tool(*command)
    assert 'mIoU % (small)' in stdout and 'ce − random' in stdout and 'read back' not in stdout
    rows = list(csv.DictReader((tmp_path / 'out.csv').open()))
    assert {(row['name'], row['task'], row['seed']) for row in rows} == {
        (name, 'small', seed) for name in ('random', 'ce') for seed in '01'
    }
    for row in rows:
        assert all(0 <= float(row[metric]) <= 100 for metric in ('mIoU', 'aAcc'))
        assert row['steps'] == '2' and row['images'] == '4'
    assert (
        '| random |' in (tmp_path / 'out.markdown').read_text()
        and '<td>random</td>' in (tmp_path / 'out.html').read_text()
    )
    logs = {
        path.parents[1].name.split('-')[1]: path.read_text()
        for path in (tmp_path / 'runs').glob('*/seed1/console.log')
    }
    assert f'tensors of {tmp_path}/ce_1.pth loaded into DenseNetPyramid' in logs['ce']
    assert 'loaded into DenseNetPyramid' not in logs['random']

    again, _ = run_tool(*command)
    assert again.count('(read back)') == 4


def measured_metrics(row):
    """The names of the metrics that a row of a csv file has."""
    others = ('name', 'task', 'seed', 'split', 'folder', *(part.name for part in fields(Cost)))
    return [name for name, value in row.items() if value and name not in others]


@pytest.mark.slow
def test_digits_pre_trains_and_fine_tunes_from_what_it_trained(parse, monkeypatch, tmp_path):
    monkeypatch.setattr(transfer, 'PRETRAINING', {'SimSiam': transfer.PRETRAINING['SimSiam']})
    monkeypatch.setattr(transfer, 'QUICK_SHARE', 1 / 1500)  # two steps
    monkeypatch.setattr(transfer, 'QUICK_STEPS', 2)
    options = ['--jobs', '2', '--work-dir', str(tmp_path), '--csv', str(tmp_path / 'out.csv')]
    transfer.run(parse('transfer', 'digits', '--quick', *options))
    rows = list(csv.DictReader((tmp_path / 'out.csv').open()))
    metrics = dict(digits_retinanet=['AP', 'AP50', 'AP75'], digits_fcn=['mIoU', 'aAcc'])
    measured = {(row['name'], row['task']): measured_metrics(row) for row in rows}
    assert measured == {
        (name, task): names for name in ('random', 'SimSiam') for task, names in metrics.items()
    }
    pretrained = next(tmp_path.glob('pre-training-SimSiam-*/seed0/iter_2.pth'))
    for task in ('digits_retinanet', 'digits_fcn'):
        log = next(tmp_path.glob(f'{task}-SimSiam-*/seed0/console.log')).read_text()
        assert f'tensors of {pretrained} loaded into DenseNetPyramid' in log

    # Other tasks, from the same checkpoints.
    linear = str(ROOT / 'configs/transfer/digits/digits_linear.py')
    transfer.run(parse('transfer', 'digits', linear, '--quick', *options))
    rows = list(csv.DictReader((tmp_path / 'out.csv').open()))
    assert {(row['name'], row['task'], *measured_metrics(row)) for row in rows} == {
        (name, 'digits_linear', 'top-1') for name in ('random', 'SimSiam')
    }
    assert len(list(tmp_path.glob('pre-training-*/seed0'))) == 1


@pytest.mark.parametrize(
    'arguments, message',
    [
        (
            ['digits', '--checkpoints', 'a=b.pth', '--pairs', 'a:CE'],
            '--pairs needs names of the study, a, random; got CE',
        ),
        (['configs/transfer/digits/digits_fcn.py', '--quick'], '--quick goes with digits'),
        (['configs/transfer/digits/digits_fcn.py', '--checkpoints', 'b.pth'], 'expected NAME=FILE'),
        (
            ['configs/transfer/digits/digits_fcn.py', '--checkpoints', 'random=b.pth'],
            'a name other than random, got random=b.pth',
        ),
        (
            ['configs/transfer/digits/digits_fcn.py', '--checkpoints', 'a=b.pth'],
            'no such checkpoint: .*b.pth',
        ),
        (['digits', '--pairs', 'CE:ce'], '--pairs needs names of the study, CE, .*; got ce'),
        (['digits', 'none.py'], 'no such config file: none.py'),
        (['none.py'], 'no such config file: none.py'),
        ([], 'the following arguments are required: TASK'),
    ],
)
def test_bad_arguments_are_one_line(refuse, arguments, message):
    assert re.search(message, refuse('transfer', *arguments))
