"""The verdict on weights: what is complete, what may be left out; the model is not touched."""

import copy
import re
import threading

import pytest
import torch
from mmpretrain.registry import MODELS as MMPRETRAIN_MODELS
from torch import nn

from mmsemiloc.models import fit_checkpoint, fit_state
from mmsemiloc.models.checkpoints import fit as fit_room
from mmsemiloc.models.checkpoints.dry_load import skeleton
from mmsemiloc.models.checkpoints.fit import classifier_names
from tests.conftest import CLASSES, make_model

RESUMABLE = dict(meta=dict(iter=1, epoch=0), message_hub={}, optimizer={})


def model_of(classes=CLASSES, seed=0, **kwargs):
    return make_model(head=dict(num_classes=classes), seed=seed, **kwargs)


def fit(content, purpose='test', model=None):
    return fit_state(model or model_of(), content, 'a.pth', purpose)


def without(state, *ends):
    return {name: value for name, value in state.items() if not name.endswith(ends)}


def test_a_whole_model_is_taken_for_every_purpose_and_the_model_not_changed():
    model, state = model_of(), model_of(seed=1).state_dict()
    before = copy.deepcopy(model.state_dict())
    for purpose in ('test', 'resume', 'start', 'part'):
        result = fit(state, purpose, model)
        assert result.line == '67 of 67 tensors of a.pth loaded into SemiSupClassifier'
        assert not result.unused
        assert result.tensors.keys() == before.keys() and all(
            torch.equal(result.tensors[name], state[name]) for name in state
        )
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize('purpose', ['test', 'resume', 'part'])
@pytest.mark.parametrize(
    'change, fits',
    [
        (lambda: model_of(3).state_dict(), 65),
        (lambda: without(model_of().state_dict(), 'fc.weight', 'fc.bias'), 65),
        (lambda: without(model_of().state_dict(), 'fc.bias'), 66),
    ],
)
def test_a_head_must_fit_where_nothing_is_trained_anew(purpose, change, fits):
    with pytest.raises(
        ValueError, match=f'^{fits} of 67 tensors of a.pth fit SemiSupClassifier: [12] '
    ):
        fit(change(), purpose)


@pytest.mark.parametrize(
    'change, reason',
    [
        (lambda: model_of(3).state_dict(), '3 classes in the file, 5 in the model'),
        (lambda: without(model_of().state_dict(), 'fc.weight', 'fc.bias'), 'none in the file'),
        (
            lambda: without(model_of().state_dict(), 'fc.bias'),
            'head.fc.bias is missing in the file',
        ),
        (
            lambda: {**model_of().state_dict(), 'head.fc.weight': torch.zeros(5, 4)},
            'head.fc.weight is (5, 4), expected (5, 16)',
        ),
    ],
)
def test_a_head_may_be_left_out_at_the_start_and_keeps_its_values(change, reason):
    model = model_of(seed=2)
    result = fit(change(), 'start', model)
    assert result.line == (
        f'65 of 67 tensors of a.pth loaded into SemiSupClassifier; head left out: {reason}'
    )
    assert torch.equal(result.tensors['head.fc.weight'], model.head.fc.weight)
    assert torch.equal(result.tensors['head.fc.bias'], model.head.fc.bias)
    assert torch.equal(result.tensors['backbone.stem.0.weight'], model_of().backbone.stem[0].weight)


def test_nothing_but_the_head_may_be_left_out():
    with pytest.raises(ValueError, match='64 of 67 tensors .*: 1 missing, first backbone.stem.0'):
        fit(without(model_of(3).state_dict(), 'stem.0.weight'), 'start')
    state = model_of().state_dict()
    with pytest.raises(ValueError, match='2 of 67 tensors'):
        fit({name: state[name] for name in state if name.startswith('head')}, 'start')


def test_another_head_or_neck_is_told_and_not_used_at_the_start_only():
    state = without(model_of().state_dict(), 'fc.weight', 'fc.bias')
    state |= {'neck.fc.weight': torch.zeros(2), 'queue': torch.zeros(1)}
    result = fit(state, 'start')
    assert result.line.endswith('head left out: none in the file; not used: neck.fc.weight, queue')
    with pytest.raises(
        ValueError, match='2 missing, first head.fc.weight; 2 unknown, first neck.fc.weight'
    ):
        fit(state, 'test')


class Segmenter(nn.Module):
    """Stands for a model of another project, whose heads have names of their own."""

    def __init__(self, classes):
        super().__init__()
        self.backbone = nn.Conv2d(3, 4, 3)
        self.decode_head, self.auxiliary_head = (
            nn.ModuleDict(dict(conv=nn.Conv2d(4, 4, 3), conv_seg=nn.Conv2d(4, classes, 1)))
            for _ in range(2)
        )


def test_heads_of_other_projects_may_have_other_classes_at_the_start():
    state = Segmenter(3).state_dict()
    result = fit(state, 'start', Segmenter(2))
    assert result.line == (
        '6 of 10 tensors of a.pth loaded into Segmenter; head left out: '
        'decode_head.conv_seg.weight is (3, 4, 1, 1), expected (2, 4, 1, 1)'
    )
    with pytest.raises(
        ValueError, match='6 of 10 tensors of a.pth fit Segmenter: 4 of another shape'
    ):
        fit(state, 'test', Segmenter(2))
    with pytest.raises(
        ValueError,
        match='5 of 10 tensors of a.pth fit Segmenter: 1 missing, first decode_head.conv.bias',
    ):
        fit(without(state, 'decode_head.conv.bias'), 'start', Segmenter(2))


def test_counts_of_batchnorm_may_be_missing_and_this_is_told():
    result = fit(without(model_of().state_dict(), 'num_batches_tracked'))
    assert result.line == (
        '56 of 67 tensors of a.pth loaded into SemiSupClassifier; '
        "BatchNorm's counts are not in the file"
    )
    assert result.tensors.keys() == model_of().state_dict().keys()


@pytest.mark.parametrize('value', [float('nan'), float('inf'), -float('inf')])
@pytest.mark.parametrize('name', ['backbone.stem.1.running_var', 'head.fc.bias'])
def test_values_must_be_finite(value, name):
    state = model_of().state_dict()
    state[name][-1] = value
    with pytest.raises(
        ValueError,
        match=f'a.pth: {re.escape(name)} has values that are not finite .*earlier checkpoint',
    ):
        fit({'state_dict': state})


def test_values_of_what_is_left_out_do_not_matter():
    state = model_of(3).state_dict()
    state['head.fc.weight'][:] = float('nan')
    assert 'head left out' in fit(state, 'start').line


def test_the_running_mean_of_predictions_goes_with_the_state():
    """It is in the metadata, which must keep up with the names."""
    kwargs = dict(
        head=dict(
            loss_nbel=dict(
                type='mmsemiloc.NegativeBatchEntropyLoss', loss_weight=1.0, estimator='ema'
            )
        )
    )
    model = make_model(**kwargs)
    mean = next(module for module in model.modules() if type(module).__name__ == 'RunningMean')
    mean(torch.full((CLASSES,), 1 / CLASSES, dtype=torch.float64).log())
    for prefix in ('', 'module.', 'student.'):
        other = make_model(**kwargs)
        other.load_state_dict(
            fit({'model': model.state_dict(prefix=prefix)}, 'test', other).tensors
        )
        loaded = next(
            module for module in other.modules() if type(module).__name__ == 'RunningMean'
        )
        assert torch.equal(loaded.log_past, mean.log_past)


def test_the_layer_of_class_scores():
    assert classifier_names(model_of()) == ['head.fc.weight', 'head.fc.bias']
    assert classifier_names(nn.Linear(2, 3)) == []
    vit = MMPRETRAIN_MODELS.build(
        dict(type='VisionTransformerClsHead', num_classes=3, in_channels=8, hidden_dim=4)
    )
    model = nn.Module()
    model.head = vit
    assert classifier_names(model) == ['head.layers.head.weight', 'head.layers.head.bias']


def test_a_skeleton_has_no_values():
    model = model_of()
    copied = skeleton(model)
    assert all(value.is_meta for value in copied.state_dict().values())
    assert [(name, value.shape) for name, value in copied.state_dict().items()] == [
        (name, value.shape) for name, value in model.state_dict().items()
    ]
    assert not any(value.is_meta for value in model.state_dict().values())


class Uncopyable:
    """Stands for a hook that holds a runner."""

    def __init__(self):
        self.lock = threading.Lock()

    def after_forward(self, module, args, output):
        pass


def test_forward_hooks_are_not_copied():
    model = model_of()
    model.head.register_forward_hook(Uncopyable().after_forward)
    with pytest.raises(TypeError, match='pickle'):  # negative control
        copy.deepcopy(model)
    assert not skeleton(model).head._forward_hooks and len(model.head._forward_hooks) == 1
    assert fit(model_of().state_dict(), 'test', model)


def test_a_module_that_cannot_convert_the_weights_is_heard():
    model = model_of()
    model.backbone._register_load_state_dict_pre_hook(
        lambda *args: (_ for _ in ()).throw(RuntimeError('no\nway'))
    )
    with pytest.raises(ValueError, match=r'1 refused, first RuntimeError: no; the config'):
        fit(model_of().state_dict(), 'test', model)


def test_a_checkpoint_is_changed_in_place(monkeypatch):
    lines = []
    monkeypatch.setattr(fit_room, 'print_log', lambda message, logger: lines.append(message))
    content = {
        'model': {f'module.{name}': value for name, value in model_of(seed=1).state_dict().items()},
        'epoch': 4,
    }
    fit_checkpoint(model_of(), content, 'a.pth', 'test')
    assert content['epoch'] == 4 and content['state_dict'].keys() == model_of().state_dict().keys()
    assert lines == ["67 of 67 tensors of a.pth loaded into SemiSupClassifier; in 'model'"]
    state = model_of(seed=1).state_dict()  # which is a state dict itself
    fit_checkpoint(model_of(), state, 'a.pth', 'test')
    assert state['state_dict'].keys() == model_of().state_dict().keys()


@pytest.mark.parametrize('missing', ['meta', 'message_hub', 'optimizer'])
def test_weights_alone_cannot_be_resumed(missing):
    content = {**RESUMABLE, 'state_dict': model_of().state_dict()}
    fit_checkpoint(model_of(), dict(content), 'a.pth', 'resume')
    del content[missing]
    fit_checkpoint(model_of(), dict(content), 'a.pth', 'start')
    with pytest.raises(
        ValueError,
        match=f'a.pth cannot be resumed: it has no {missing}; start a training .* by load_from',
    ):
        fit_checkpoint(model_of(), content, 'a.pth', 'resume')


def with_mean(state, mean, **others):
    return {
        **RESUMABLE,
        'state_dict': state,
        'ema_state_dict': {
            'steps': torch.tensor(3),
            **{f'module.{name}': value for name, value in mean.items()},
            **others,
        },
    }


def test_the_running_mean_of_the_weights_must_fit_too():
    content = with_mean(model_of().state_dict(), model_of(seed=1).state_dict())
    fit_checkpoint(model_of(), content, 'a.pth', 'resume')
    mean = content['ema_state_dict']
    assert mean['steps'] == 3 and torch.equal(
        mean['module.head.fc.weight'], model_of(seed=1).head.fc.weight
    )
    with pytest.raises(
        ValueError, match=r'65 of 67 tensors of a.pth \(ema_state_dict\) fit SemiSupClassifier'
    ):
        fit_checkpoint(
            model_of(),
            with_mean(model_of().state_dict(), model_of(3).state_dict()),
            'a.pth',
            'resume',
        )
    content = with_mean(model_of().state_dict(), model_of().state_dict())
    del content['ema_state_dict']['steps']
    with pytest.raises(
        ValueError, match="a.pth cannot be resumed: 'ema_state_dict' has no 'steps'"
    ):
        fit_checkpoint(model_of(), content, 'a.pth', 'resume')
    # At a start its head is left out as that of the weights, so that hooks may exchange the two.
    content = with_mean(model_of(3).state_dict(), model_of(3, seed=1).state_dict())
    fit_checkpoint(model_of(seed=2), content, 'a.pth', 'start')
    for state in (content['state_dict'], content['ema_state_dict']):
        assert any(torch.equal(value, model_of(seed=2).head.fc.weight) for value in state.values())
