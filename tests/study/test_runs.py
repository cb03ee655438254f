"""What identifies a run, and when it counts as finished."""

import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config

from mmsemiloc.files import write_json
from mmsemiloc.study import plan_run
from mmsemiloc.study.launch import failure
from mmsemiloc.study.runs import fingerprint
from mmsemiloc.study.worker import ProgressHook, read_curves
from tests.conftest import make_batch

TRAINING = dict(steps=3, images=12, seconds=1.5, memory_mib=100.0, curves={'loss_ce': [[1, 2.0]]})
EVALUATION = dict(
    accuracy=50.0,
    mean_recall=50.0,
    classes_used=2,
    num_classes=3,
    max_box_acc_v2=None,
    cam_in_box=None,
    cam_area=30.0,
    box_area=None,
    centre_box_acc_v2=None,
)


def make_config(**values):
    return Config(dict(model=dict(lr=0.1), randomness=dict(seed=0, deterministic=True), **values))


def test_the_fingerprint_depends_on_what_the_config_says():
    same = fingerprint(make_config())
    assert fingerprint(make_config(work_dir='elsewhere')) == same
    other_seed = make_config()
    other_seed.randomness.seed = 7
    assert fingerprint(other_seed) == same
    other = make_config()
    other.model.lr = 0.2
    assert fingerprint(other) != same


def test_a_run_has_its_own_folder_and_seed(tmp_path):
    cfg = make_config()
    runs = [plan_run('a', cfg, seed, tmp_path) for seed in (0, 1)]
    assert len({run.folder for run in runs}) == 2
    assert [run.cfg.randomness.seed for run in runs] == [0, 1]
    assert all(
        run.cfg.randomness.deterministic and run.cfg.work_dir == str(run.folder) for run in runs
    )
    assert cfg.randomness.seed == 0 and 'work_dir' not in cfg
    with pytest.raises(ValueError, match='-1'):
        plan_run('a', cfg, -1, tmp_path)


def test_a_run_is_finished_when_trained_and_evaluated_on_the_split(tmp_path):
    run = plan_run('a', make_config(), 3, tmp_path)
    run.folder.mkdir(parents=True)
    assert run.result('val') is None
    write_json(run.trained, TRAINING)
    assert run.result('val') is None
    write_json(run.evaluated('val'), EVALUATION)
    result = run.result('val')
    assert (result.name, result.seed, result.split) == ('a', 3, 'val')
    assert result.metrics == EVALUATION and result.curves == TRAINING['curves']
    assert (result.cost.steps, result.cost.images, result.cost.seconds) == (3, 12, 1.5)
    assert run.result('test') is None
    assert not list(run.folder.glob('*.partial'))


def test_a_run_without_a_checkpoint_names_its_folder(tmp_path):
    run = plan_run('a', make_config(), 0, tmp_path)
    run.folder.mkdir(parents=True)
    with pytest.raises(ValueError, match=f'there is no checkpoint in {re.escape(str(run.folder))}'):
        run.checkpoint()
    (run.folder / 'last_checkpoint').write_text('/elsewhere/iter_3.pth')
    assert run.checkpoint() == run.folder / 'iter_3.pth'


def test_a_failure_says_what_happened(tmp_path):
    run = plan_run('a', make_config(), 0, tmp_path)
    run.folder.mkdir(parents=True)
    run.log.write_text('Traceback\n  line\nValueError: prior [bad]\n\n')
    assert failure(run, 1).message == 'ValueError: prior [bad]'
    assert 'signal 9 (out of memory?)' in failure(run, -9).message
    run.log.write_text('torch.OutOfMemoryError: 3 GiB\nwarning at exit\n')
    assert failure(run, 1).message == 'torch.OutOfMemoryError: 3 GiB'
    run.log.write_text('terminate called\n')
    assert failure(run, 1).message == 'terminate called'
    run.log.write_text('')
    assert failure(run, 3).message == 'exit code 3'


def test_curves_are_read_from_the_log(tmp_path):
    folder = Path(tmp_path) / '20260101' / 'vis_data'
    folder.mkdir(parents=True)
    lines = [dict(step=5, loss=2.0, lr=0.1), dict(step=10, loss=1.0, note='x')]
    (folder / 'scalars.json').write_text('\n'.join(map(json.dumps, lines)))
    assert read_curves(tmp_path) == {'loss': [[5, 2.0], [10, 1.0]], 'lr': [[5, 0.1]]}


@pytest.mark.parametrize('views, images', [((1, 1, 1), 6), ((1, 2, 4), 14)])
def test_images_count_the_views_that_are_run(views, images):
    sent = []
    progress = ProgressHook(sent.append, period=1e9)
    progress.last = float('inf')
    batch = make_batch([1, None, None])
    for sample, number in zip(batch['data_samples'], views, strict=True):
        if number > 1:
            sample.set_field(torch.zeros(number - 1, 3, 32, 32), 'views')
    for step in range(2):
        runner = SimpleNamespace(iter=step, max_iters=2)
        progress.after_train_iter(runner, step, batch, dict(loss=torch.tensor(0.5)))
    assert progress.images == images and sent == [dict(step=2, total=2, loss=0.5)]
