import math

import pytest
import torch

from mmsemiloc.engine import HealthHook, health_hook
from mmsemiloc.engine.health_hook import cam_area
from tests.conftest import CLASSES, make_batch, make_model, make_samples
from tests.engine.fake_runner import FakeRunner


def model_of(head):
    """A model with nothing but this head."""
    model = torch.nn.Module()
    model.head = head
    return model


class ConstantHead(torch.nn.Module):
    """A head that predicts what it is told."""

    def __init__(self):
        super().__init__()
        self.num_classes = CLASSES
        self.fc = torch.nn.Linear(3, CLASSES)
        self.terms = torch.nn.ModuleDict(make_model(mel=0.8, nbel=0.5).head.terms)

    def forward(self, feats):
        return feats[1].requires_grad_()

    def cam(self, feats, labels):
        return feats[0][:, 0]


def run_hook(hook, logits, maps=None, steps=1, training=True):
    head = ConstantHead().train(training)
    runner = FakeRunner(model_of(head))
    hook.before_train(runner)
    for i in range(steps):
        runner.iter = i
        head(((maps if maps is not None else torch.zeros(len(logits), 1, 2, 2)), logits.clone()))
        # The features are the last of the tuple in a real head.
        hook.after_train_iter(runner, i)
    hook.after_train(runner)
    return runner


@pytest.fixture
def maps_last(monkeypatch):
    """ConstantHead gets (maps, logits); the hook must read maps as it does with a real head."""
    listen = HealthHook._listen
    monkeypatch.setattr(HealthHook, '_listen', lambda self, head, args, out: listen(self, head, ((args[0][0], ), ), out))


def test_report_over_a_window(maps_last):
    logits = torch.full((4, CLASSES), -1e4)
    logits[range(4), [0, 0, 2, 3]] = 1e4
    maps = torch.zeros(4, 1, 2, 5)
    maps[:, :, 0, 0] = 1.0
    runner = run_hook(HealthHook(interval=3), logits, maps, steps=3)
    assert runner.scalar('classes_used') == 3
    assert runner.scalar('confidence') == pytest.approx(1)
    assert runner.scalar('batch_entropy') == pytest.approx(-(0.5 * math.log(0.5) + 2 * 0.25 * math.log(0.25)), rel=1e-5)
    assert runner.scalar('cam_area') == pytest.approx(0.1)


def test_only_training_batches_with_a_graph_count(maps_last):
    head = ConstantHead()
    hook = HealthHook(interval=1)
    hook.before_train(FakeRunner(model_of(head)))
    with torch.no_grad():
        hook._listen(head, ((torch.zeros(2, 1, 2, 2), ), ), torch.zeros(2, CLASSES))
    hook._listen(head.eval(), ((torch.zeros(2, 1, 2, 2), ), ), torch.zeros(2, CLASSES, requires_grad=True))
    assert not hook._sums.any()


@pytest.mark.parametrize('collapsed', [True, False])
def test_collapse_is_warned_of_once_and_names_the_weight(collapsed, maps_last, monkeypatch):
    messages = []
    monkeypatch.setattr(health_hook, 'print_log', lambda message, **kwargs: messages.append(message))
    logits = 10 * torch.eye(CLASSES)[[1] * 8 if collapsed else [0, 1, 2, 3, 4, 0, 1, 2]]
    run_hook(HealthHook(interval=2, begin=3), logits, steps=10)
    assert len(messages) == collapsed
    if collapsed:
        assert '1 of 5 classes used by the last 16 images' in messages[0]
        assert 'raise head.loss_nbel.loss_weight (now 0.5)' in messages[0]
        assert 'lower head.loss_mel.loss_weight (now 0.8)' in messages[0]


def test_cam_area():
    cam = torch.tensor([[[0.0, 1, 2, 10]], [[5, 5, 5, 5]], [[-10, 0, 0, 0]]])
    assert cam_area(cam).tolist() == [0.25, 0, 0.75]


@pytest.mark.parametrize('form', ['raw', 'scale_free'])
def test_directions_of_the_locality_penalty(form):
    """They add up to the loss that is trained; none of the names enters the sum of losses."""
    model = make_model(locality=1.0)
    model.head.terms['locality'].scale_free = form == 'scale_free'
    runner, hook = FakeRunner(model), HealthHook(interval=1, locality=form)
    hook.before_train(runner)
    losses = model(**model.data_preprocessor(make_batch([1, None, 2]), True), mode='loss')
    hook.after_train_iter(runner, 0)
    hook.after_train(runner)
    parts = [runner.scalar(f'cam_{side}') for side in ('left', 'right', 'top', 'bottom')]
    assert sum(parts) == pytest.approx(losses['loss_locality'].item(), rel=1e-5) and len(set(parts)) == 4
    assert not [name for name in runner.message_hub.log_scalars if 'loss' in name]


def test_directions_cost_nothing_when_off(monkeypatch):
    def fail(cam):
        raise AssertionError
    monkeypatch.setattr(health_hook, 'LOCALITY', dict(raw=fail))
    maps = torch.zeros(2, 1, 2, 2)
    for locality in (None, 'raw'):
        hook = HealthHook(interval=1, locality=locality)
        hook.before_train(FakeRunner(model_of(ConstantHead())))
        call = (hook.head, ((maps, ), ), torch.zeros(2, CLASSES, requires_grad=True))
        if locality:
            with pytest.raises(AssertionError):  # negative control
                hook._listen(*call)
        else:
            hook._listen(*call)


def test_pooled_features_have_no_maps():
    hook = HealthHook(interval=1, locality='raw')
    head = ConstantHead()
    runner = FakeRunner(model_of(head))
    hook.before_train(runner)
    hook._listen(head, ((torch.zeros(2, 3), ), ), torch.zeros(2, CLASSES, requires_grad=True))
    hook.after_train_iter(runner, 0)
    assert math.isnan(runner.scalar('cam_area')) and math.isnan(runner.scalar('cam_top')) and runner.scalar('classes_used') == 1


def test_names_do_not_enter_the_sum_of_losses():
    """Every logged key with 'loss' in it is summed into the loss by MMEngine."""
    model = make_model(mel=0.1)
    losses = model.loss(model.data_preprocessor(make_batch([1, None]))['inputs'], make_samples([torch.tensor([1]), None]))
    assert [k for k in losses if 'loss' not in k] == ['acc_labeled']


@pytest.mark.parametrize('kwargs', [dict(interval=0), dict(min_class_share=2), dict(locality='both')])
def test_bad_health_arguments(kwargs):
    with pytest.raises(ValueError, match=str(next(iter(kwargs.values())))):
        HealthHook(**kwargs)
