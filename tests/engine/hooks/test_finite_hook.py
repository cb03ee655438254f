"""Numbers that are not finite with other wrappers and other models, and in checkpoints."""

import math

import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import EMAHook
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner

from mmsemiloc.engine import FiniteHook, NotFiniteError, SemiSupSetupHook
from mmsemiloc.engine.hooks import finite_hook
from mmsemiloc.engine.hooks.finite_hook import refuse_bad_checkpoint
from mmsemiloc.registry import MODELS
from tests.configs.test_configs import CONFIGS, tiny_digits
from tests.conftest import CLASSES, make_model
from tests.engine.checks.test_finite import LABELS, WEIGHTS, batch_with_files, spoil_term, spoilt
from tests.engine.fake_runner import FakeRunner


def stock_classifier():
    """MMPretrain's own classifier; all of its images need labels."""
    torch.manual_seed(0)
    return MODELS.build(
        dict(
            type='ImageClassifier',
            data_preprocessor=dict(mean=[128] * 3, std=[64] * 3, num_classes=CLASSES),
            backbone=dict(
                type='DenseNet', arch=dict(growth_rate=4, depths=[2, 2], init_channels=8)
            ),
            neck=dict(type='GlobalAveragePooling'),
            head=dict(type='LinearClsHead', num_classes=CLASSES, in_channels=16),
        )
    )


MODEL = {'ours': (lambda: make_model(**WEIGHTS), LABELS), 'stock': (stock_classifier, [0, 1, 2, 3])}


def run_step(model, batch, optimizer, **kwargs):
    """What the training loop does in one iteration, with a stock wrapper."""
    runner = FakeRunner(model, optim_wrapper=OptimWrapper(optimizer=optimizer, **kwargs))
    hook = FiniteHook()
    hook.before_train(runner)
    hook.before_train_iter(runner, 0, batch)
    hook.after_train_iter(runner, 0, batch, model.train_step(batch, runner.optim_wrapper))
    hook.after_train(runner)


@pytest.mark.parametrize('name', MODEL)
@pytest.mark.parametrize('spoils', [True, False])
def test_steps_of_stock_wrappers(name, spoils):
    build, labels = MODEL[name]
    model, before = build(), {key: value.clone() for key, value in build().state_dict().items()}
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    batch = batch_with_files(labels)
    if not spoils:  # negative control
        run_step(model, batch, optimizer)
        assert any(not torch.equal(p, before[key]) for key, p in model.named_parameters())
        return
    with pytest.raises(NotFiniteError, match=r'folder/2\.png: its pixels are not finite'):
        run_step(model, spoilt(batch, 2), optimizer)
    assert (
        all(torch.equal(p, before[key]) for key, p in model.named_parameters())
        and not optimizer.state
    )


def test_a_term_is_named_with_a_stock_wrapper():
    model = make_model(**WEIGHTS)
    spoil_term(model, 'nbel')
    with pytest.raises(NotFiniteError, match=r'^loss_nbel is nan'):
        run_step(model, batch_with_files(), torch.optim.SGD(model.parameters(), lr=0.1))


def test_losses_of_an_accumulating_wrapper_are_checked_before_the_step():
    model = stock_classifier()
    with pytest.raises(NotFiniteError, match=r'folder/2\.png'):
        run_step(
            model,
            spoilt(batch_with_files([0, 1, 2]), 2),
            torch.optim.SGD(model.parameters(), lr=0.1),
            accumulative_counts=4,
        )


def test_numbers_of_a_stock_wrappers_optimizer():
    model = stock_classifier()
    with pytest.raises(
        ValueError, match='optimizer.lr must be a finite number of at least 0, got nan'
    ):
        run_step(model, batch_with_files([0]), torch.optim.SGD(model.parameters(), lr=math.nan))


def test_weights_before_the_first_step():
    model = make_model()
    model.backbone.stem[0].weight.data[0] = math.nan
    with pytest.raises(
        NotFiniteError, match=r'backbone\.stem\.0\.weight is not finite before the first step'
    ):
        FiniteHook().before_train(FakeRunner(model, optim_wrapper=None))


@pytest.mark.parametrize('key', ['state_dict', 'ema_state_dict', 'optimizer'])
def test_each_part_of_a_checkpoint_is_looked_at(key):
    checkpoint = {
        name: dict(a=torch.zeros(2)) for name in ('state_dict', 'ema_state_dict', 'optimizer')
    }
    refuse_bad_checkpoint(
        {**checkpoint, 'message_hub': torch.tensor(math.nan)}
    )  # logged values may be NaN
    checkpoint[key]['a'][1] = math.inf
    with pytest.raises(NotFiniteError, match=f'^{key}.a is not finite'):
        refuse_bad_checkpoint(checkpoint)


def peer_run(tmp_path, name='digits_simsiam', **options):
    """A runner of a self-supervised peer, with a stock model and wrapper."""
    cfg = Config.fromfile(CONFIGS / f'transfer/digits/{name}.py')
    cfg.merge_from_dict(
        {
            'work_dir': str(tmp_path),
            'train_cfg.max_iters': 2,
            'default_hooks.checkpoint.interval': 1,
            'train_dataloader.collate_fn': dict(type='default_collate'),
            'train_dataloader.batch_size': 4,
            'train_dataloader.dataset.num_images': 20,
            'vis_backends': [],
            'visualizer.vis_backends': [],
            'experiment_name': tmp_path.name,
            **options,
        }
    )
    cfg.param_scheduler = None
    return Runner.from_cfg(cfg)


class Spoil(EMAHook):
    """Makes a weight NaN after the last step."""

    def __init__(self, step):
        super().__init__()
        self.step = step

    def after_train_iter(self, runner, *args, **kwargs):
        super().after_train_iter(runner, *args, **kwargs)
        if runner.iter + 1 == self.step:
            next(runner.model.parameters()).data.fill_(math.nan)


@pytest.mark.parametrize('guarded', [True, False])
def test_a_bad_checkpoint_of_a_stock_model_is_not_written(guarded, tmp_path, monkeypatch):
    if not guarded:  # negative control
        monkeypatch.setattr(finite_hook, 'refuse_tensor', lambda name: None)
    runner = peer_run(tmp_path)
    runner.register_hook(Spoil(2))
    if guarded:
        with pytest.raises(
            NotFiniteError, match='state_dict.*is not finite, so no checkpoint is written'
        ):
            runner.train()
    else:
        runner.train()
    assert {path.name for path in tmp_path.glob('*.pth')} == (
        {'iter_1.pth'} if guarded else {'iter_1.pth', 'iter_2.pth'}
    )


def test_peers_run_with_the_hook_and_stop_at_bad_pixels(tmp_path):
    peer_run(tmp_path / 'sound').train()
    with pytest.raises(NotFiniteError, match=r'at iteration 1 '):
        peer_run(tmp_path / 'bad', **{'model.data_preprocessor.std': [64, 0, 64]}).train()
    assert not list((tmp_path / 'bad').rglob('*.pth'))


@pytest.mark.parametrize('listed', [True, False])
def test_the_setup_hook_brings_it_along(listed, tmp_path):
    cfg = tiny_digits('digits_ce', tmp_path, steps=1, experiment_name=f'along{listed}')
    cfg.param_scheduler = None
    if not listed:
        cfg.default_hooks.pop('finite')
    runner = Runner.from_cfg(cfg)
    assert any(isinstance(hook, SemiSupSetupHook) for hook in runner.hooks)
    assert any(isinstance(hook, FiniteHook) for hook in runner.hooks) == listed
    runner.train()
    (hook,) = [hook for hook in runner.hooks if isinstance(hook, FiniteHook)]
    assert hook._handles == []  # it was there before the first step
