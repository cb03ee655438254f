import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.logging import MessageHub

from mmsemiloc.datasets import DigitScenes, SemiSupDataset, SemiSupSampler
from mmsemiloc.engine import HealthHook, LossScheduleHook, SemiSupSetupHook, health_hook
from mmsemiloc.engine.health_hook import cam_area
from mmsemiloc.engine.loss_schedule_hook import ramp
from mmsemiloc.registry import MODELS
from tests.conftest import CLASSES, make_batch, make_model, make_samples


class FakeRunner(SimpleNamespace):
    """What the hooks read of a runner."""

    def __init__(self, model, **kwargs):
        hub = MessageHub.get_instance(f'test{id(self)}')
        super().__init__(model=model, message_hub=hub, iter=0, epoch=0, val_loop=None, **kwargs)

    def scalar(self, name):
        return self.message_hub.get_scalar(f'train/{name}').current()


# --- LossScheduleHook


def test_ramp():
    assert [ramp(t, 10, 20, 0.0, 1.0) for t in (0, 10, 15, 20, 99)] == [0, 0, 0.5, 1, 1]
    assert [ramp(t, 10, 10, 0.2, 1.0) for t in (9, 10, 11)] == [0.2, 1, 1]
    assert ramp(0, 0, 0, 0.0, 1.0) == 1


@pytest.mark.parametrize('by_epoch', [False, True])
def test_weights_follow_the_schedule_and_are_logged(by_epoch):
    runner = FakeRunner(make_model(mel=0.8, nbel=0.5, locality=0.1))
    hook = LossScheduleHook(dict(nbel=dict(begin=2, end=4), mel=dict(begin=3, end=3, start_value=0.4)), by_epoch=by_epoch)
    hook.before_train(runner)
    seen = []
    for progress in range(6):
        setattr(runner, 'epoch' if by_epoch else 'iter', progress)
        hook.before_train_iter(runner, 0)
        seen.append([runner.scalar(f'weight_{name}') for name in ('mel', 'nbel', 'locality')])
        assert seen[-1][1] == runner.model.head.terms['nbel'].loss_weight
    assert seen == [[0.4, 0, 0.1], [0.4, 0, 0.1], [0.4, 0, 0.1], [0.8, 0.25, 0.1], [0.8, 0.5, 0.1], [0.8, 0.5, 0.1]]


@pytest.mark.parametrize('schedule', [dict(mel=dict(begin=5, end=3)), dict(mel=dict(start=3)), dict(mel=dict(begin=-1))])
def test_bad_schedules(schedule):
    with pytest.raises(ValueError, match="schedule of 'mel'"):
        LossScheduleHook(schedule)


def test_unknown_terms_are_named():
    with pytest.raises(ValueError, match=r"no terms \['nebl'\]"):
        LossScheduleHook(dict(nebl=dict(begin=0, end=1))).before_train(FakeRunner(make_model()))


# --- HealthHook


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
    runner = FakeRunner(SimpleNamespace(head=head))
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
    hook.before_train(FakeRunner(SimpleNamespace(head=head)))
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
        hook.before_train(FakeRunner(SimpleNamespace(head=ConstantHead())))
        call = (hook.head, ((maps, ), ), torch.zeros(2, CLASSES, requires_grad=True))
        if locality:
            with pytest.raises(AssertionError):  # negative control
                hook._listen(*call)
        else:
            hook._listen(*call)


def test_pooled_features_have_no_maps():
    hook = HealthHook(interval=1, locality='raw')
    head = ConstantHead()
    runner = FakeRunner(SimpleNamespace(head=head))
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


# --- SemiSupSetupHook


def loader(batch_size=4):
    dataset = SemiSupDataset(DigitScenes(num_images=13), DigitScenes(first=13, num_images=7))
    return torch.utils.data.DataLoader(dataset, batch_size, sampler=SemiSupSampler(dataset, 4, 0.5, seed=0))


def runner_with_prior(prior, train_loader):
    nbel = MODELS.build(dict(type='mmsemiloc.NegativeBatchEntropyLoss', prior=prior))
    return runner_with_terms(dict(nbel=nbel), train_loader)


def runner_with_terms(terms, train_loader):
    head = torch.nn.Module()
    head.num_classes, head.terms = 10, torch.nn.ModuleDict(terms)
    return FakeRunner(SimpleNamespace(head=head), train_loop=SimpleNamespace(dataloader=train_loader))


def test_labeled_prior_is_the_class_counts():
    runner = runner_with_prior('labeled', loader())
    SemiSupSetupHook().before_train(runner)
    prior = runner.model.head.terms['nbel'].log_prior.exp()
    torch.testing.assert_close(prior, torch.tensor([2, 2, 2, 1, 1, 1, 1, 1, 1, 1], dtype=torch.float64) / 13)


@pytest.mark.parametrize('label', [-1, 10])
def test_labels_out_of_range_are_found_before_training(label, monkeypatch):
    runner = runner_with_prior(None, loader())
    SemiSupSetupHook().before_train(runner)  # negative control
    labels = np.arange(13) % 10
    labels[[4, 7]] = label
    monkeypatch.setattr(DigitScenes, 'get_gt_labels', lambda self: labels)
    with pytest.raises(ValueError, match=rf'labelled image 4 of 13 .* label {label}, .* 10 classes, 0 to 9 .2 such images'):
        SemiSupSetupHook().before_train(runner)


def test_images_are_checked_against_the_validation_set(monkeypatch):
    calls = []
    monkeypatch.setattr(SemiSupDataset, 'check', lambda self, *args: calls.append(args))
    runner = runner_with_prior(None, loader())
    SemiSupSetupHook().before_train(runner)
    validation = DigitScenes('val', num_images=2)
    runner.val_loop = SimpleNamespace(dataloader=SimpleNamespace(dataset=validation))
    SemiSupSetupHook().before_train(runner)
    assert calls == [(10, None), (10, validation)]


def test_a_resumed_run_takes_the_seed_of_the_checkpoint():
    train_loader = loader()
    runner = runner_with_prior(None, train_loader)
    checkpoint = {}
    SemiSupSetupHook().before_save_checkpoint(runner, checkpoint)
    assert checkpoint == dict(sampler_seed=0)
    for iteration, expected in ((0, 5), (3, 0)):  # fine-tuning from a checkpoint, and a resumed run
        train_loader.sampler.seed, runner.iter = 5, iteration
        hook = SemiSupSetupHook()
        hook.after_load_checkpoint(runner, checkpoint)
        hook.before_train(runner)
        assert train_loader.sampler.seed == expected


def test_setup_errors():
    with pytest.raises(ValueError, match="batch_size=5 differs from its sampler's batch_size=4"):
        SemiSupSetupHook().before_train(runner_with_prior(None, loader(5)))
    plain = torch.utils.data.DataLoader(DigitScenes(num_images=3))
    with pytest.raises(ValueError, match='needs a SemiSupDataset, got DigitScenes'):
        SemiSupSetupHook().before_train(runner_with_prior('labeled', plain))
