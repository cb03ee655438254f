"""Where a training begins, and what its launchers do when it is to start again."""

import os
import re
import signal
import subprocess
import sys

import pytest
import torch
from mmengine.config import Config

from mmsemiloc.commands.train import set_start
from mmsemiloc.engine.build import completed
from mmsemiloc.engine.restart.recipe import recipe_of
from tests.tools.conftest import ROOT


@pytest.fixture
def cfg(tmp_path, monkeypatch):
    """A config whose work dir has two checkpoints."""
    for name in ('SLURM_RESTART_COUNT', 'TORCHELASTIC_RESTART_COUNT'):
        monkeypatch.delenv(name, raising=False)
    cfg = Config(
        dict(
            work_dir=str(tmp_path / 'run'),
            launcher='none',
            train_cfg=dict(type='IterBasedTrainLoop', max_iters=8),
            optim_wrapper=dict(optimizer=dict(lr=0.1)),
        )
    )
    (tmp_path / 'run').mkdir()
    meta = dict(epoch=0, recipe=recipe_of(completed(cfg), 1))
    for iteration in (2, 4):
        torch.save(
            dict(meta=dict(meta, iter=iteration), message_hub={}, optimizer={}, state_dict={}),
            tmp_path / f'run/iter_{iteration}.pth',
        )
    return cfg


def begins(cfg):
    """The checkpoint that a run goes on from; None at its beginning."""
    return cfg.load_from.rpartition('/')[2] if cfg.get('resume') else None


def test_it_does_not_begin_anew_unless_that_is_meant(cfg):
    with pytest.raises(ValueError, match='has checkpoints already .iter_4.pth.: go on .* --resume'):
        set_start(cfg, None, force=False)
    set_start(cfg, None, force=True)
    assert begins(cfg) is None and not list(map(str, os.scandir(cfg.work_dir)))[1:]
    set_start(cfg, None, force=False)  # they are in a folder of their own


def test_it_resumes_the_newest_one_of_its_recipe(cfg):
    set_start(cfg, 'auto', force=False)
    assert begins(cfg) == 'iter_4.pth'


@pytest.mark.parametrize('resume', ['auto', 'iter_2.pth'])
def test_another_recipe(cfg, resume):
    cfg.optim_wrapper.optimizer.lr = 0.2
    resume = resume if resume == 'auto' else f'{cfg.work_dir}/{resume}'
    with pytest.raises(ValueError, match='optimizer.lr is 0.1 there and 0.2 here'):
        set_start(cfg, resume, force=False)
    set_start(cfg, resume, force=True)
    assert begins(cfg) == ('iter_4.pth' if resume == 'auto' else 'iter_2.pth')


@pytest.mark.parametrize('name', ['SLURM_RESTART_COUNT', 'TORCHELASTIC_RESTART_COUNT'])
def test_a_run_that_is_started_again_resumes_by_itself(cfg, name, monkeypatch):
    monkeypatch.setenv(name, '1')
    for resume in (None, f'{cfg.work_dir}/iter_2.pth'):  # it has come further than that
        set_start(cfg, resume, force=False)
        assert begins(cfg) == 'iter_4.pth'
    set_start(cfg, None, force=True)  # which has begun anew
    assert begins(cfg) == 'iter_4.pth'


def test_without_checkpoints_it_begins(cfg, tmp_path, capsys):
    cfg.work_dir = str(tmp_path / 'new')
    set_start(cfg, 'auto', force=False)
    assert begins(cfg) is None and 'no checkpoint in' in capsys.readouterr().out


def fake(folder, name, text):
    """A command of a cluster."""
    path = folder / name
    path.write_text(f'#!/usr/bin/env bash\n{text}\n')
    path.chmod(0o755)


@pytest.mark.parametrize('code', [0, 1, 143])
def test_slurm_queues_a_run_again_that_was_told_to_stop(code, tmp_path):
    fake(tmp_path, 'srun', f'exit {code}')
    fake(tmp_path, 'scontrol', 'echo scontrol "$@"')
    fake(tmp_path, 'sbatch', 'echo sbatch "$@"; SLURM_JOB_ID=7 bash -s')
    environment = {
        **os.environ,
        'PATH': f'{tmp_path}:{os.environ["PATH"]}',
        'PYTHON': sys.executable,
        'REQUEUE': '1',
        'SBATCH_ARGS': '--time=60 --account=a',
    }
    result = subprocess.run(
        [ROOT / 'tools/slurm_train.sh', 'gpu', 'job', 'a b.py', 'out'],
        capture_output=True,
        text=True,
        env=environment,
    )
    lines = result.stdout.splitlines()
    assert result.returncode == code, result.stderr
    assert '--requeue' in lines[0] and '--signal=USR1@120' in lines[0] and '--time=60' in lines[0]
    assert lines[1:] == (['scontrol requeue 7'] if code == 143 else [])


def test_restarts_are_a_number():
    result = subprocess.run(
        [ROOT / 'tools/dist_train.sh', 'c.py', '2'],
        capture_output=True,
        text=True,
        env={**os.environ, 'MAX_RESTARTS': 'many', 'PYTHON': sys.executable},
    )
    assert result.returncode == 2 and "a number of restarts, got 'many'" in result.stderr


ONCE = """
import os, signal
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

@HOOKS.register_module()
class Once(Hook):
    step_arguments = {}

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        mark = os.environ.get('MARK')
        if mark and runner.rank == 1 and runner.iter == 5 and not os.path.exists(mark):
            open(mark, 'w').close()
            os.kill(os.getpid(), int(os.environ['NUMBER']))
"""


def distributed(folder, name, **environment):
    """Train on two ranks through the launcher; the exit code and what was printed."""
    (folder / 'once.py').write_text(ONCE)
    (folder / 'run.py').write_text(
        f"_base_ = '{ROOT}/configs/digits/best.py'\n"
        "custom_imports = dict(imports=['once'])\n"
        "custom_hooks = [dict(type='mmsemiloc.MeanTeacherHook', momentum=0.01), "
        "dict(type='Once')]\n"
        'steps = 8\nbatch_size = 4\n'
        'val_dataloader = dict(dataset=dict(num_images=20))\n'
    )
    result = subprocess.run(
        [ROOT / 'tools/dist_train.sh', 'run.py', '2', '--work-dir', name],
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=900,
        env={
            **os.environ,
            'PYTHON': sys.executable,
            'PYTHONPATH': str(folder),
            'OMP_NUM_THREADS': '1',
            **environment,
        },
    )
    return result.returncode, result.stdout + result.stderr


@pytest.mark.reliability
def test_torchrun_starts_again_and_ends_in_the_same_result(tmp_path):
    code, text = distributed(tmp_path, 'whole')
    assert code == 0, text[-3000:]
    code, text = distributed(
        tmp_path,
        'killed',
        MARK=str(tmp_path / 'mark'),
        NUMBER=str(int(signal.SIGKILL)),
        MAX_RESTARTS='2',
    )
    assert code == 0 and (tmp_path / 'mark').exists(), text[-3000:]
    assert re.search(r'resumed epoch: 0, iter: [2-5]', text)

    paths = [tmp_path / name / 'iter_8.pth' for name in ('whole', 'killed')]
    states = [torch.load(path, weights_only=False) for path in paths]
    for key in ('state_dict', 'ema_state_dict'):
        assert all(
            torch.equal(states[0][key][name], states[1][key][name]) for name in states[0][key]
        )


@pytest.mark.reliability
@pytest.mark.parametrize('name', ['SIGTERM', 'SIGUSR1'])
def test_a_signal_to_one_rank_of_torchrun(name, tmp_path):
    code, text = distributed(
        tmp_path, 'stopped', MARK=str(tmp_path / 'mark'), NUMBER=str(int(getattr(signal, name)))
    )
    assert code == 143, text[-3000:]
    assert f'stopped by {name}' in text or 'stopped by a signal to another rank' in text
    assert (tmp_path / 'stopped/iter_6.pth').is_file()  # that of its interval, at the same step
