"""The runner of a config: its checks, one policy for unreadable images, a readable terminal."""

from mmengine.config import Config

from mmsemiloc.engine import (
    FiniteHook,
    HistoryHook,
    LossScheduleHook,
    SemiSupRunner,
    SemiSupSetupHook,
)
from mmsemiloc.engine.build import build_runner, with_one_policy, without_pauses, without_policy
from tests.configs.test_configs import tiny_digits


def test_the_checks_are_there_whatever_hooks_a_config_has(tmp_path):
    cfg = tiny_digits('digits_ce', tmp_path, experiment_name='no_hooks')
    cfg.pop('runner_type')
    for name in ('setup', 'finite', 'loss_schedule'):
        cfg.default_hooks.pop(name)
    without = build_runner(cfg)
    assert isinstance(without, SemiSupRunner) and 'runner_type' not in cfg
    listed = build_runner(tiny_digits('digits_ce', tmp_path, experiment_name='with_hooks'))
    for runner in (without, listed):
        runner.train()  # the setup hook brings the others
        for kind in (SemiSupSetupHook, FiniteHook, LossScheduleHook, HistoryHook):
            assert sum(isinstance(hook, kind) for hook in runner.hooks) == 1


def test_validation_and_test_have_the_policy_of_training(tmp_path):
    cfg = tiny_digits('digits_full', tmp_path)
    cfg.train_dataloader.dataset.faults = dict(action='skip', budget=3)
    before = cfg.to_dict()
    wrapped = with_one_policy(Config(cfg.to_dict()))
    for split, kind in (('val', 'validation'), ('test', 'test')):
        dataset = wrapped[f'{split}_dataloader'].dataset
        assert (dataset.type, dataset.kind) == ('mmsemiloc.TolerantDataset', kind)
        assert dataset.faults == dict(action='skip', budget=3)
    assert with_one_policy(Config(wrapped.to_dict())).to_dict() == wrapped.to_dict()
    assert without_policy(wrapped).to_dict() == before

    stock = Config(
        dict(
            train_dataloader=dict(dataset=dict(type='CustomDataset')),
            val_dataloader=dict(dataset=dict(type='X')),
        )
    )
    assert with_one_policy(stock).val_dataloader.dataset == dict(type='X')


def test_a_loop_that_counts_iterations_has_one_epoch(tmp_path):
    cfg = tiny_digits('digits_full', tmp_path)
    cfg.train_dataloader.sampler.epoch_length = 'labeled'
    assert without_pauses(cfg).train_dataloader.sampler.epoch_length == cfg.train_cfg.max_iters
    epochs = Config(
        dict(
            train_cfg=dict(max_epochs=3),
            train_dataloader=dict(
                sampler=dict(type='mmsemiloc.SemiSupSampler', epoch_length='all')
            ),
        )
    )
    assert without_pauses(epochs).train_dataloader.sampler.epoch_length == 'all'


def test_dumps_go_to_the_log_file_alone(tmp_path, capsys):
    runner = build_runner(tiny_digits('digits_ce', tmp_path, experiment_name='dumps'))
    runner.logger.info('a line')
    shown = capsys.readouterr().out
    written = next(tmp_path.rglob('*.log')).read_text()
    dumps = ('System environment', 'Config:\n', 'Hooks will be executed')
    assert 'a line' in written and all(words in written for words in dumps)
    assert 'a line' in shown and not any(words in shown for words in dumps)
