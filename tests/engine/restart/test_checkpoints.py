"""The newest whole checkpoint is found whatever last_checkpoint says, and nothing is removed before
its successor is whole.
"""

import os
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config
from mmengine.fileio import get_file_backend
from mmengine.hooks import CheckpointHook
from mmengine.logging import MessageHub

from mmsemiloc.engine import WholeCheckpointHook
from mmsemiloc.engine.restart import whole_files
from mmsemiloc.engine.restart.checkpoints import (
    INTERRUPTED,
    checkpoints_in,
    is_restarted,
    newest_whole,
    put_aside,
    refuse_old_checkpoints,
    resume_point,
)
from mmsemiloc.engine.restart.recipe import check_recipe, differences, recipe_of

RECIPE = '{"world_size": 1, "optim_wrapper.optimizer.lr": 0.1}'


def save(path, iteration, recipe=RECIPE):
    meta = dict(iter=iteration, epoch=0, recipe=recipe)
    torch.save(dict(meta=meta, message_hub={}, optimizer={}, state_dict={'w': torch.ones(9)}), path)
    return path


def cut(path, size):
    path.write_bytes(path.read_bytes()[:size])
    return path


@pytest.fixture
def folder(tmp_path):
    """Three checkpoints."""
    for iteration in (2, 4, 10):
        save(tmp_path / f'iter_{iteration}.pth', iteration)
    return tmp_path


@pytest.mark.parametrize('last', [None, '', 'iter_2.pth', '/not/there.pth'])
def test_the_newest_one_whatever_last_checkpoint_says(folder, last):
    if last is not None:
        (folder / 'last_checkpoint').write_text(last)
    assert newest_whole(folder).path == folder / 'iter_10.pth'


@pytest.mark.parametrize('size', [0, 1, 100, 700, -30])
def test_torn_ones_are_skipped_aloud(folder, size):
    torn = cut(folder / 'iter_10.pth', size)
    messages = []
    assert newest_whole(folder, messages.append).iteration == 4
    assert len(messages) == 1 and messages[0].startswith(f'skipped {torn}: it is ')


def test_that_of_a_signal_counts_by_its_iteration(folder):
    save(folder / INTERRUPTED, 7)
    assert newest_whole(folder).iteration == 10
    save(folder / INTERRUPTED, 11)
    assert newest_whole(folder).path.name == INTERRUPTED


def test_what_cannot_be_resumed_is_no_checkpoint(folder):
    torch.save(dict(state_dict={}), folder / 'iter_12.pth')
    torch.save(dict(state_dict={}), folder / 'best_accuracy_iter_14.pth')
    (folder / 'iter_16.pth.partial').write_bytes(b'half')
    assert newest_whole(folder).iteration == 10


def test_none_and_none_whole(folder, tmp_path):
    assert newest_whole(tmp_path / 'empty') is None
    for path in checkpoints_in(folder)['iter']:
        cut(path, 50)
    with pytest.raises(ValueError, match='no whole checkpoint .* it is cut off.*--force'):
        newest_whole(folder)


def test_a_run_does_not_begin_where_checkpoints_lie(folder, tmp_path):
    refuse_old_checkpoints(tmp_path / 'empty')
    with pytest.raises(ValueError, match=r'checkpoints already \(iter_10.pth\).*--resume'):
        refuse_old_checkpoints(folder)


def test_force_moves_them_away(folder):
    (folder / 'last_checkpoint').write_text('x')
    aside = put_aside(folder)
    assert sorted(os.listdir(aside)) == [
        'iter_10.pth',
        'iter_2.pth',
        'iter_4.pth',
        'last_checkpoint',
    ]
    refuse_old_checkpoints(folder)
    assert put_aside(folder) is None


def test_another_recipe_is_refused_with_its_keys(folder):
    assert resume_point(folder, RECIPE).name == 'iter_10.pth'
    other = RECIPE.replace('0.1', '0.2')
    with pytest.raises(
        ValueError,
        match=r'iter_10.pth is of another recipe: optim_wrapper.optimizer.lr is 0.1 there and 0.2 '
        'here.*--force',
    ):
        resume_point(folder, other)
    assert resume_point(folder, other, force=True).name == 'iter_10.pth'
    check_recipe('old.pth', None, RECIPE)  # of a version that did not tell


def config(batch_size=8, micro=4):
    return Config(
        dict(
            model=dict(type='M', init_cfg=dict(checkpoint='here.pth')),
            train_dataloader=dict(
                batch_size=batch_size,
                num_workers=2,
                sampler=dict(batch_size=batch_size, micro_batch_size=micro),
                dataset=dict(data_root='/a', pipeline=[dict(type='Flip', prob=0.5)]),
            ),
            optim_wrapper=dict(micro_batch_size=micro),
            train_cfg=dict(max_iters=10, val_interval=2),
            default_hooks=dict(logger=dict(interval=1)),
        )
    )


def test_what_changes_the_result_is_a_difference_and_the_rest_is_not():
    here = recipe_of(config(), 1)
    free = config()
    free.merge_from_dict(
        {
            'train_dataloader.num_workers': 0,
            'train_dataloader.dataset.data_root': '/b',
            'train_cfg.val_interval': 5,
            'default_hooks.logger.interval': 3,
            'model.init_cfg.checkpoint': 'there.pth',
        }
    )
    assert differences(recipe_of(free, 1), here) == []

    other = config()
    other.train_dataloader.dataset.pipeline[0].prob = 0.6
    assert differences(recipe_of(other, 1), here) == [
        'train_dataloader.dataset.pipeline.0.prob is 0.6 there and 0.5 here'
    ]
    del other.train_dataloader.dataset.pipeline[0]['prob']
    assert 'is not set there and 0.5 here' in differences(recipe_of(other, 1), here)[0]


def test_another_number_of_ranks_has_the_same_batch_or_is_refused():
    here = recipe_of(config(8, 4), 1)
    assert differences(recipe_of(config(4, 2), 2), here) == []
    assert 'batch_size is 16 there and 8 here' in differences(recipe_of(config(8, 4), 2), here)[0]
    assert differences(recipe_of(config(8, 2), 1), here)  # micro-batches change BatchNorm


@pytest.mark.parametrize('name', ['SLURM_RESTART_COUNT', 'TORCHELASTIC_RESTART_COUNT'])
def test_who_has_started_it_again(name):
    assert is_restarted({name: '2'})
    assert not (is_restarted({name: '0'}) or is_restarted({name: ''}) or is_restarted({}))


class Saves:
    """A runner that saves a file, or finds the disk full."""

    def __init__(self, folder):
        self.work_dir, self.hooks, self.iter, self.epoch, self.full = str(folder), [], 0, 0, False
        self.message_hub = MessageHub.get_instance(f'saves {folder}')
        self.logger = SimpleNamespace(info=print, warning=print)
        self.there = []  # checkpoints that were there at each save

    def save_checkpoint(self, out_dir, filename, *args, backend_args=None, **kwargs):
        self.there.append(sorted(n for n in os.listdir(out_dir) if n.endswith('.pth')))
        if self.full:
            raise OSError(28, 'No space left on device')
        get_file_backend(out_dir, backend_args=backend_args).put(b'x', f'{out_dir}/{filename}')


@pytest.fixture(params=[WholeCheckpointHook, CheckpointHook])
def saver(request, tmp_path):
    """A hook that keeps two checkpoints and the best one, and its runner."""
    hook = request.param(interval=1, by_epoch=False, max_keep_ckpts=2, save_best='acc')
    runner = Saves(tmp_path)
    hook.before_train(runner)
    return hook, runner, request.param is WholeCheckpointHook


def test_the_oldest_and_the_best_one_go_after_their_successors_are_there(saver):
    hook, runner, ours = saver
    for runner.iter in range(3):
        hook._save_checkpoint(runner)
    assert len(runner.there[-1]) == (2 if ours else 1)  # the stock hook is the negative control
    assert sorted(p for p in os.listdir(runner.work_dir) if 'pth' in p) == [
        'iter_2.pth',
        'iter_3.pth',
    ]

    for runner.iter, score in ((3, 1.0), (4, 2.0)):
        hook._save_best_checkpoint(runner, dict(acc=score))
    best = [names for names in runner.there if any('best' in name for name in names)]
    assert any('best_acc_iter_3.pth' in names for names in best[1:]) or not ours
    assert [n for n in os.listdir(runner.work_dir) if 'best' in n] == ['best_acc_iter_4.pth']


def test_a_full_disk_removes_nothing(saver):
    hook, runner, ours = saver
    for runner.iter in range(2):
        hook._save_checkpoint(runner)
    runner.full = True
    runner.iter = 2
    with pytest.raises(OSError, match='No space'):
        hook._save_checkpoint(runner)
    assert (runner.there[-1] == ['iter_1.pth', 'iter_2.pth']) == ours
    assert os.path.exists(f'{runner.work_dir}/iter_1.pth') == ours


def test_half_written_files_of_a_killed_process_are_removed(tmp_path):
    (tmp_path / 'iter_5.pth.partial').write_bytes(b'half')
    WholeCheckpointHook(interval=1).before_train(Saves(tmp_path))
    assert not os.listdir(tmp_path)


def test_the_backend_is_synced_and_renamed(tmp_path, monkeypatch):
    synced, path = [], tmp_path / 'a/iter_1.pth'
    monkeypatch.setattr(os, 'fsync', lambda number: synced.append((number, path.exists())))
    whole_files.WholeFileBackend().put(b'abc', str(path))
    assert path.read_bytes() == b'abc' and os.listdir(tmp_path / 'a') == ['iter_1.pth']
    assert [there for _, there in synced] == [False, True]  # the file, then its folder
