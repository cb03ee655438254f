"""Where the tensors of files of many layouts belong, by names alone."""

import pytest
import torch
from torch import nn

from mmsemiloc.models.checkpoints.densenet_keys import old_spelling_mended
from mmsemiloc.models.checkpoints.state_dicts import (
    candidates,
    main_state,
    state_dicts,
    without_wrappers,
)
from mmsemiloc.models.checkpoints.state_layout import arrange

OWN = {
    'backbone.a.weight': (2,),
    'backbone.a.bias': (3,),
    'backbone.b.weight': (4,),
    'backbone.b.bias': (5,),
    'head.fc.weight': (7, 2),
    'head.fc.bias': (7,),
}
CLASSIFIER = ['head.fc.weight', 'head.fc.bias']


def tensors(names=OWN, value=1.0):
    return {name: torch.full(OWN[name], value) for name in names}


def renamed(change, state=None):
    return {change(name): value for name, value in (state or tensors()).items()}


def bare(name):
    return name.removeprefix('backbone.')


def found(content, whole=True, prefix=None, own=OWN, classifier=CLASSIFIER):
    return arrange(content, own, classifier, 'file.pth', whole, prefix)


def test_state_dicts_are_found_at_any_place_but_not_in_lists():
    state = tensors()
    content = {
        'a': {'b': state},
        'optimizer': {'state': {0: state}},
        'list': [state],
        'epoch': 3,
        5: state,
    }
    assert [found.place for found in state_dicts(content)] == ['a.b']
    assert [found.place for found in state_dicts(state)] == ['']


def test_the_standard_place_wins():
    assert [
        state.place for state in candidates({'model': tensors(), 'state_dict': tensors()}, 'f')
    ] == ['state_dict']
    assert (
        main_state({'ema': {**tensors(), 'x': torch.zeros(1)}, 'net': tensors()}, 'f').place
        == 'net'
    )
    assert main_state({'ema': tensors()}, 'f').place == 'ema'


@pytest.mark.parametrize(
    'content, what',
    [
        ({}, 'a dict without entries'),
        ([1], 'a list'),
        (None, 'a NoneType'),
        (nn.Linear(1, 1), r'a pickled model \(Linear\)'),
        ({'epoch': 3, 'lr': 0.1}, 'a dict with the keys epoch, lr'),
        (torch.zeros(3), 'a Tensor'),
    ],
)
def test_a_file_without_weights_is_an_error(content, what):
    with pytest.raises(
        ValueError, match=f'file.pth has no weights by name, it is {what}; save model.state_dict'
    ):
        found(content)


LAYOUTS = {
    'bare': tensors(),
    'standard': {'state_dict': tensors()},
    'nested': {'a': {'b': tensors()}},
    'DDP': renamed('module.{}'.format),
    'prefix': renamed('a.b.{}'.format),
    'a part in DDP': renamed(lambda name: name.replace('.a.', '.a.module.')),
    'a part compiled': renamed(lambda name: name.replace('backbone.', 'backbone._orig_mod.')),
    'a mean alone': {'ema': renamed('module.{}'.format)},
    'beside a mean': {'model': tensors(), 'model_ema': tensors(value=2.0)},
    'beside a mean of MMEngine': {'state_dict': tensors(), 'ema_state_dict': tensors(value=2.0)},
    'a student': {
        **renamed('student.{}'.format),
        **renamed('teacher.{}'.format, tensors(value=2.0)),
    },
    'fc': renamed(lambda name: bare(name).removeprefix('head.')),
    'classifier': renamed(lambda name: bare(name).replace('head.fc', 'classifier')),
    'head': renamed(lambda name: bare(name).replace('head.fc', 'head')),
    'an averaged model': {'steps': torch.tensor(3), **renamed('module.{}'.format)},
}


@pytest.mark.parametrize('content', LAYOUTS.values(), ids=LAYOUTS)
def test_whole_models(content):
    result = found(content)
    assert result.state.keys() == OWN.keys()
    assert all(
        (value == 1).all() and value.shape == OWN[name] for name, value in result.state.items()
    )
    assert not any(name.startswith('module') for name in result.unused)


def test_parts_of_a_model():
    own = {bare(name): shape for name, shape in OWN.items() if name.startswith('backbone')}
    for content in (tensors(), renamed(bare), renamed('x.{}'.format)):
        result = found(content, whole=False, own=own, classifier=[])
        assert result.state.keys() == own.keys() and len(result.unused) == 2
    head = found(tensors(), whole=False, own={'fc.weight': (7, 2), 'fc.bias': (7,)}, classifier=[])
    assert head.state.keys() == {'fc.weight', 'fc.bias'} and len(head.unused) == 4


def test_what_lies_among_the_parts_is_no_other_part():
    more = {**tensors(), 'backbone.a.scale': torch.zeros(1), 'neck.weight': torch.zeros(1)}
    assert found(more, whole=False).state.keys() - OWN.keys() == {'backbone.a.scale'}
    assert found(more, whole=False).unused == ['neck.weight']
    assert (
        found(more).state.keys() - OWN.keys() == {'backbone.a.scale', 'neck.weight'}
        and not found(more).unused
    )


def test_two_copies_of_equal_standing_are_an_error_and_a_prefix_decides():
    content = {**renamed('one.{}'.format), **renamed('two.{}'.format, tensors(value=2.0))}
    with pytest.raises(
        ValueError, match="file.pth fits in two ways, as ': one.' and as ': two.'; save the one"
    ):
        found(content)
    assert found(content, prefix='two').state['head.fc.bias'][0] == 2
    with pytest.raises(ValueError, match='fits in two ways'):
        found({'one': tensors(), 'two': tensors()})
    assert (
        found({'one': tensors(), 'two': tensors(value=2.0)}, prefix='two.').state['head.fc.bias'][0]
        == 2
    )
    with pytest.raises(
        ValueError,
        match="no name in file.pth begins with 'three.'; its first names are one.backbone.a.weight",
    ):
        found(content, prefix='three.')


def test_metadata_move_with_the_names():
    linear = nn.Sequential(nn.BatchNorm1d(3))
    state = linear.state_dict(prefix='module.student.')
    own = {name: tuple(value.shape) for name, value in linear.state_dict().items()}
    result = found({'model': state}, own=own, classifier=[])
    assert (
        result.metadata['0'] == {'version': 2}
        and result.metadata.keys() == linear.state_dict()._metadata.keys()
    )


def test_wrappers_stay_where_the_model_or_the_names_need_them():
    state = next(state_dicts({'module.a': torch.zeros(1), 'a': torch.ones(1)}))
    assert without_wrappers(state, ['a']).tensors.keys() == {'module.a', 'a'}
    state = next(state_dicts({'module.a': torch.zeros(1)}))
    assert without_wrappers(state, ['module.a']).tensors.keys() == {'module.a'}
    assert without_wrappers(state, ['a']).tensors.keys() == {'a'}


def test_the_spelling_of_torchvisions_files():
    assert old_spelling_mended('features.denseblock1.denselayer2.conv.2.weight') == (
        'features.denseblock1.denselayer2.conv2.weight'
    )
    assert (
        old_spelling_mended('features.transition1.norm.weight')
        == 'features.transition1.norm.weight'
    )
