"""Another number of steps: equal to a config whose text says that number."""

import inspect
import shutil
from pathlib import Path

import pytest
from mmengine.config import Config

from mmsemiloc import engine
from mmsemiloc.engine import HealthHook
from mmsemiloc.models import Schedule
from mmsemiloc.registry import HOOKS
from mmsemiloc.study import with_length
from mmsemiloc.study.steps import step_arguments

HOOK_NAMES = [name for name in engine.__all__ if name.endswith('Hook')]

CONFIGS = Path(__file__).parents[2] / 'configs'
DIGITS = sorted(
    str(path.relative_to(CONFIGS / 'digits'))
    for folder in ('', 'methods/')
    for path in (CONFIGS / 'digits').glob(f'{folder}*.py')
)
# Not derived from the number of steps in the text, but scaled with it: how often to report.
REPORTS = ('interval', 'window_size')


def without_reports(value):
    """The nested values without those named in REPORTS, and without the lines' own variables."""
    if isinstance(value, dict):
        is_report = ('LoggerHook', 'HealthHook')
        drop = (
            (*REPORTS, 'begin')
            if str(value.get('type', '')).endswith(is_report)
            else ('window_size',)
        )
        return {key: without_reports(part) for key, part in value.items() if key not in drop}
    return [without_reports(part) for part in value] if isinstance(value, list | tuple) else value


def changed(path, value):
    """The full digits config with one more value."""
    cfg = Config.fromfile(CONFIGS / 'digits/digits_full.py')
    cfg.merge_from_dict({path: value})
    return cfg


@pytest.mark.parametrize('name', DIGITS)
@pytest.mark.parametrize('factor', [0.2, 2])  # whose shares of the steps are whole numbers
def test_every_derived_value_is_that_of_a_config_written_for_the_steps(name, factor, tmp_path):
    shutil.copytree(CONFIGS, tmp_path / 'configs')
    base = tmp_path / 'configs/_base_/digits.py'
    old = Config.fromfile(CONFIGS / 'digits' / name)
    steps = int(old.steps * factor)
    text = base.read_text()
    assert text.count(f'\nsteps = {old.steps}\n') == 1
    base.write_text(text.replace(f'\nsteps = {old.steps}\n', f'\nsteps = {steps}\n'))
    written = Config.fromfile(tmp_path / 'configs/digits' / name).to_dict()

    scaled = with_length(old, steps).to_dict()
    for cfg in (written, scaled):
        for variable in (
            'ramp',
            'view_ramp',
            'squared_ramp',
        ):  # of the text; their values have gone into the hook
            cfg.pop(variable, None)
    assert without_reports(scaled) == without_reports(written)
    assert without_reports(old.to_dict()) != without_reports(
        written
    )  # the comparison sees what is not scaled


def test_reports_keep_their_number_and_nothing_vanishes():
    cfg = Config.fromfile(CONFIGS / 'digits/digits_full.py')
    short = with_length(cfg, 6)
    assert short.default_hooks.logger.interval == 1
    assert short.log_processor.window_size == 1
    assert short.default_hooks.health.interval == 1
    half = with_length(cfg, cfg.train_cfg.max_iters // 2)
    assert half.default_hooks.logger.interval == cfg.default_hooks.logger.interval // 2


def test_maps_are_scored_as_often():
    hook = dict(type='mmsemiloc.CAMEvolutionHook', interval=500, by_epoch=False, num_images=64)
    [scaled] = with_length(changed('custom_hooks', [hook]), 300).custom_hooks
    assert scaled == dict(hook, interval=50)


def test_the_given_config_stays_as_it_is():
    cfg = Config.fromfile(CONFIGS / 'digits/digits_full.py')
    before = cfg.to_dict()
    assert with_length(cfg, cfg.train_cfg.max_iters).to_dict() == before
    with_length(cfg, 10)
    assert cfg.to_dict() == before


def test_schedulers_milestones_and_endless_values():
    schedulers = [
        dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=160),
        dict(
            type='MultiStepLR', by_epoch=False, milestones=[800, 1200], gamma=0.1, end=float('inf')
        ),
    ]
    cfg = changed('train_cfg.max_iters', 1600)
    cfg.param_scheduler = schedulers
    cfg.default_hooks.checkpoint.interval = -1
    linear, multi = with_length(cfg, 400).param_scheduler
    assert (linear.begin, linear.end, linear.start_factor) == (0, 40, 0.1)
    assert (multi.milestones, multi.end, multi.gamma) == ([200, 300], float('inf'), 0.1)
    assert with_length(cfg, 400).default_hooks.checkpoint.interval == -1


@pytest.mark.parametrize(
    'path, value, match',
    [
        ('param_scheduler.warmup_iters', 100, 'warmup_iters'),
        ('param_scheduler.by_epoch', True, 'counts epochs'),
        ('default_hooks.mystery', dict(type='MysteryHook', every=100), 'MysteryHook'),
        ('train_cfg', dict(_delete_=True, by_epoch=True), 'train_cfg.max_epochs, got 10'),
        (
            'custom_hooks',
            [dict(type='mmsemiloc.CAMEvolutionHook', interval=2)],
            'CAMEvolutionHook counts epochs',
        ),
    ],
)
def test_unknown_values_are_refused(path, value, match):
    with pytest.raises(ValueError, match=match):
        with_length(changed(path, value), 10)


def test_a_config_that_counts_epochs_keeps_the_shares_of_its_schedules():
    cfg = Config.fromfile(CONFIGS / 'densenet_mel_nbel_loc.py')
    short = with_length(cfg, 13)
    assert (short.train_cfg.max_epochs, short.max_epochs, short.train_cfg.val_interval) == (
        13,
        13,
        1,
    )
    assert short.param_scheduler[1].milestones == [3, 6, 9, 12]
    assert short.model.head.loss_nbel.schedule == dict(begin=10 / 13)  # a share of any run
    assert (
        short.default_hooks.logger.interval == cfg.default_hooks.logger.interval
    )  # counts iterations
    assert cfg.train_cfg.max_epochs == 130


def test_everything_begins_in_a_run_of_one_epoch():
    short = with_length(Config.fromfile(CONFIGS / 'densenet_mel_nbel_loc.py'), 1)
    assert Schedule(**short.model.head.loss_nbel.schedule).steps(1) == (0, 0)
    assert short.param_scheduler[1].milestones == []


def test_steps_must_be_positive():
    with pytest.raises(ValueError, match='got 0'):
        with_length(Config.fromfile(CONFIGS / 'digits/digits_ce.py'), 0)


def test_every_hook_of_ours_declares_arguments_that_it_has():
    for name in HOOK_NAMES:
        hook = HOOKS.get(name)
        declared = vars(hook)['step_arguments']
        known = {
            argument
            for cls in hook.__mro__
            for argument in inspect.signature(cls.__init__).parameters
        }
        assert set(declared) <= known, name


def test_a_subclass_declares_its_own_step_arguments():
    class Silent(HealthHook):
        pass

    class Declares(HealthHook):
        step_arguments = dict(every=8)

    with pytest.raises(ValueError, match='hook Silent count steps'):
        step_arguments(Silent)
    assert step_arguments(Declares) == dict(every=8)
    assert step_arguments('mmsemiloc.HealthHook') == dict(interval=50, begin=200)
