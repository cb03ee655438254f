import logging
import math
from types import SimpleNamespace

import pytest
import torch

from mmsemiloc.engine import AccumOptimWrapper, HealthHook
from mmsemiloc.engine.hooks import health_hook
from mmsemiloc.engine.hooks.health_hook import cam_area, split_sums
from mmsemiloc.registry import MODELS
from tests.conftest import CLASSES, make_batch, make_model, make_samples, with_views
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
    monkeypatch.setattr(
        HealthHook,
        '_listen',
        lambda self, head, args, out: listen(self, head, ((args[0][0],),), out),
    )


def test_report_over_a_window(maps_last):
    logits = torch.full((4, CLASSES), -1e4)
    logits[range(4), [0, 0, 2, 3]] = 1e4
    maps = torch.zeros(4, 1, 2, 5)
    maps[:, :, 0, 0] = 1.0
    runner = run_hook(HealthHook(interval=3), logits, maps, steps=3)
    assert runner.scalar('classes_used') == 3
    assert runner.scalar('confidence') == pytest.approx(1)
    assert runner.scalar('batch_entropy') == pytest.approx(
        -(0.5 * math.log(0.5) + 2 * 0.25 * math.log(0.25)), rel=1e-5
    )
    assert runner.scalar('cam_area') == pytest.approx(0.1)


def test_only_training_batches_with_a_graph_count(maps_last):
    head = ConstantHead()
    hook = HealthHook(interval=1)
    hook.before_train(FakeRunner(model_of(head)))
    with torch.no_grad():
        hook._listen(head, ((torch.zeros(2, 1, 2, 2),),), torch.zeros(2, CLASSES))
    hook._listen(
        head.eval(), ((torch.zeros(2, 1, 2, 2),),), torch.zeros(2, CLASSES, requires_grad=True)
    )
    assert not hook._sums.any()


@pytest.mark.parametrize('collapsed', [True, False])
def test_collapse_is_warned_of_once_and_names_the_weight(collapsed, maps_last, monkeypatch):
    messages = []
    monkeypatch.setattr(
        health_hook, 'print_log', lambda message, **kwargs: messages.append(message)
    )
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
    assert (
        sum(parts) == pytest.approx(losses['loss_locality'].item(), rel=1e-5)
        and len(set(parts)) == 4
    )
    assert not [name for name in runner.message_hub.log_scalars if 'loss' in name]


def test_directions_cost_nothing_when_off(monkeypatch):
    def fail(cam):
        raise AssertionError

    monkeypatch.setattr(health_hook, 'LOCALITY', dict(raw=fail))
    maps = torch.zeros(2, 1, 2, 2)
    for locality in (None, 'raw'):
        hook = HealthHook(interval=1, locality=locality)
        hook.before_train(FakeRunner(model_of(ConstantHead())))
        call = (hook.head, ((maps,),), torch.zeros(2, CLASSES, requires_grad=True))
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
    hook._listen(head, ((torch.zeros(2, 3),),), torch.zeros(2, CLASSES, requires_grad=True))
    hook.after_train_iter(runner, 0)
    assert (
        math.isnan(runner.scalar('cam_area'))
        and math.isnan(runner.scalar('cam_top'))
        and runner.scalar('classes_used') == 1
    )


def test_names_do_not_enter_the_sum_of_losses():
    """Every logged key with 'loss' in it is summed into the loss by MMEngine."""
    model = make_model(mel=0.1)
    losses = model.loss(
        model.data_preprocessor(make_batch([1, None]))['inputs'],
        make_samples([torch.tensor([1]), None]),
    )
    assert [k for k in losses if 'loss' not in k] == ['acc_labeled']


class EchoModel(torch.nn.Module):
    """Hands its inputs to the head as logits, as a classifier does with what its head makes of the
    features.
    """

    def __init__(self, classes, **terms):
        super().__init__()
        self.head = ConstantHead()
        self.head.num_classes = classes
        self.head.fc = torch.nn.Linear(3, classes)
        self.head.terms = torch.nn.ModuleDict(terms)

    def forward(self, inputs, data_samples=None, mode='loss'):
        return self.head((torch.zeros(len(inputs), 1, 2, 2), inputs.clone()))


def watch(hook, labels, predict, classes, steps=20, model=None, **runner_values):
    """A run in which images with these labels (None: unlabelled) get these logits."""
    runner = FakeRunner(model or EchoModel(classes), **{'max_iters': 10000, **runner_values})
    hook.before_train(runner)
    for i in range(steps):
        runner.iter = i
        runner.model(inputs=predict(i), data_samples=make_samples(labels))
        hook.after_train_iter(runner, i)
    runner.iter = steps
    hook.after_train(runner)
    return runner


@pytest.fixture
def messages(maps_last, monkeypatch):
    """What is logged, warnings apart."""
    found = {logging.INFO: [], logging.WARNING: []}
    monkeypatch.setattr(
        health_hook, 'print_log', lambda text, level, **kwargs: found[level].append(text)
    )
    return found


def sure(classes, places):
    return 20 * torch.eye(classes)[places]


def test_unlabelled_images_apart(messages):
    logits = sure(5, [0, 1, 2, 2, 2, 2])
    runner = watch(
        HealthHook(interval=5), [0, 1, None, None, None, None], lambda i: logits, 5, steps=5
    )
    assert runner.scalar('classes_used') == 3 and runner.scalar('classes_used_unlabeled') == 1
    assert runner.scalar('batch_entropy_unlabeled') == pytest.approx(0, abs=1e-5)
    assert runner.scalar('batch_entropy') > 0.8
    assert runner.scalar('confidence_unlabeled') == pytest.approx(1)
    assert not [name for name in runner.message_hub.log_scalars if 'loss' in name]


def test_no_values_of_unlabelled_images_without_any(messages):
    runner = watch(HealthHook(interval=5), [0, 1], lambda i: sure(5, [0, 1]), 5, steps=5)
    assert 'train/classes_used' in runner.message_hub.log_scalars
    assert not [name for name in runner.message_hub.log_scalars if 'unlabeled' in name]


@pytest.mark.parametrize('classes', [2, 3, 10])
@pytest.mark.parametrize('which', ['all', 'unlabelled', 'none'])
def test_collapse_with_few_classes_and_of_unlabelled_images(classes, which, messages):
    labels = [*range(classes), *[None] * classes]
    right = [*range(classes)] * 2
    places = {
        'all': [1] * 2 * classes,
        'unlabelled': right[:classes] + [1] * classes,
        'none': right,
    }[which]
    watch(HealthHook(interval=100), labels, lambda i: sure(classes, places), classes, steps=60)
    if which == 'none':
        assert not messages[logging.WARNING]
    else:
        (warning,) = messages[logging.WARNING]
        images = 20 * len(labels) if which == 'all' else 20 * classes  # certain at iteration 20
        kind = '' if which == 'all' else 'unlabelled '
        assert f'1 of {classes} classes used by the last {images} {kind}images' in warning


@pytest.mark.parametrize('steps', [4, 10, 12])
def test_a_run_shorter_than_begin_is_warned_too(steps, messages):
    watch(
        HealthHook(interval=100),
        [0, 1, None, None],
        lambda i: sure(2, [0, 0, 0, 0]),
        2,
        steps=steps,
        max_iters=steps,
    )
    assert len(messages[logging.WARNING]) == 1
    assert messages[logging.INFO][-1].startswith(
        f'Predictions up to iteration {steps}: 1 of 2 classes used'
    )
    assert len(messages[logging.INFO]) == (2 if steps == 12 else 1)


def test_first_reports_are_early_and_leave_the_window_as_it_is(messages):
    runner = watch(HealthHook(interval=100), [0, None], lambda i: sure(5, [i % 5, 0]), 5, steps=100)
    assert [line.partition(':')[0].rpartition(' ')[2] for line in messages[logging.INFO]] == [
        '10',
        '20',
        '50',
    ]
    assert (
        '5 of 5 classes used, mean confidence 1.00; unlabelled images: 1 of 5'
        in messages[logging.INFO][0]
    )
    history, _ = runner.message_hub.get_scalar('train/classes_used').data
    assert len(history) == 1  # logged once, at the end of the window


@pytest.mark.parametrize('scale, sharp', [(0.1, False), (1.0, False), (20.0, True)])
def test_a_new_network_has_not_collapsed(scale, sharp, messages):
    """It gives all images to one class, without being sure."""
    logits = scale * torch.eye(2)[[0] * 8]
    watch(HealthHook(interval=10), [0, 1] * 2 + [None] * 4, lambda i: logits, 2, steps=40)
    assert bool(messages[logging.WARNING]) == sharp


def test_one_bad_window_is_not_certain_in_the_beginning(messages):
    """Predictions swing in the first steps."""
    watch(
        HealthHook(interval=10),
        [0, 1],
        lambda i: sure(2, [1, 1] if i < 10 else [0, 1]),
        2,
        steps=40,
    )
    assert not messages[logging.WARNING]


@pytest.mark.parametrize('prior, warned', [([0.99, 0.01], False), (None, True)])
def test_a_strongly_unequal_prior(prior, warned, messages):
    term = MODELS.build(dict(type='mmsemiloc.NegativeBatchEntropyLoss', prior=prior))
    logits = torch.tensor([[0.995, 0.005]] * 16).log()
    watch(
        HealthHook(interval=10),
        [None] * 16,
        lambda i: logits,
        2,
        model=EchoModel(2, nbel=term),
        steps=40,
    )
    assert bool(messages[logging.WARNING]) == warned


def test_shares_of_the_labelled_set_are_expected(messages):
    dataset = SimpleNamespace(labeled_class_counts=lambda num_classes: [99, 1])
    loop = SimpleNamespace(dataloader=SimpleNamespace(dataset=dataset))
    logits = torch.tensor([[0.995, 0.005]] * 16).log()
    watch(HealthHook(interval=10), [0] * 16, lambda i: logits, 2, steps=40, train_loop=loop)
    assert not messages[logging.WARNING]


def test_nan_is_not_called_collapse(messages):
    watch(HealthHook(interval=10), [0, None], lambda i: torch.full((2, 2), math.nan), 2, steps=40)
    assert not messages[logging.WARNING]


def test_views_count_as_unlabelled_with_their_image(messages):
    """The whole way of a batch: preprocessor, model, head, and micro-batches of exact NBEL, whose
    first pass is left out.
    """
    model = make_model(mel=0.1, nbel=0.1)
    runner, hook = FakeRunner(model), HealthHook(interval=1)
    hook.before_train(runner)
    seen = []
    hook._reset = lambda: seen.append(split_sums(hook._sums[hook._size : 2 * hook._size]).images)
    wrapper = AccumOptimWrapper(
        optimizer=torch.optim.SGD(model.parameters(), lr=0.1), micro_batch_size=2
    )
    model.train_step(with_views(make_batch([0, None, 1, None]), [1, 3, 1, 2]), wrapper)
    hook.after_train_iter(runner, 0)
    assert seen == [5]


def test_other_models_are_left_alone():
    runner = FakeRunner(torch.nn.Linear(2, 2))
    hook = HealthHook(interval=1)
    hook.before_train(runner)
    hook.after_train_iter(runner, 0)
    hook.after_train(runner)
    assert not runner.message_hub.log_scalars


@pytest.mark.parametrize(
    'kwargs',
    [
        dict(interval=0),
        dict(min_class_share=2),
        dict(locality='both'),
        dict(interval=1.5),
        dict(min_class_share=math.nan),
        dict(begin=-1),
        dict(begin=math.inf),
    ],
)
def test_bad_health_arguments(kwargs):
    with pytest.raises(ValueError, match=str(next(iter(kwargs.values())))):
        HealthHook(**kwargs)
