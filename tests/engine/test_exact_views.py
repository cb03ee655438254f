"""Micro-batches of images in several views equal one loss over the retained graphs of all."""

import pytest
import torch

from mmsemiloc.models import EffectiveBatch
from tests.conftest import make_batch, with_views
from tests.engine.test_exact_nbel import LABELS, SIZES, build, exact, relative_error, retained_graph

# Views of each image; each micro-batch has a strong view, but they differ in how many.
NUMBERS = {
    'two views of unlabelled images': [2 if label is None else 1 for label in LABELS],
    'mixed numbers': [1, 3, 2, 2, 3, 1, 2, 1, 1, 3, 2, 1, 1, 2],
}
TERMS = dict(
    pseudo=dict(type='mmsemiloc.PseudoLabelLoss', loss_weight=0.7, threshold=0.275),
    fixmatch=dict(type='mmsemiloc.FixMatchLoss', loss_weight=0.9, threshold=0.275),
    soft=dict(type='mmsemiloc.SoftConsistencyLoss', loss_weight=0.6, temperature=0.5),
    squares=dict(type='mmsemiloc.SoftConsistencyLoss', loss_weight=0.5, distance='mse'),
    transform=dict(type='mmsemiloc.TransformConsistencyLoss', loss_weight=0.8),
)
VIEWS = ['all', 'weak', 'strong', 'weak and strong']


def config(views='all'):
    """The head with all terms, the paper's three on some views.

    NBEL of weak views and another one of strong ones.
    """
    first, *second = views.split(' and ')
    paper = dict(
        loss_mel=dict(type='mmsemiloc.MeanEntropyLoss', loss_weight=0.8, views=first),
        loss_nbel=dict(type='mmsemiloc.NegativeBatchEntropyLoss', loss_weight=0.5, views=first),
        loss_locality=dict(type='mmsemiloc.LocalityLoss', loss_weight=0.1, views=first),
    )
    others = {
        f'nbel_{name}': {**paper['loss_nbel'], 'views': name, 'prior': [1, 2, 3, 4, 5]}
        for name in second
    }
    return dict(head={**paper, 'terms': {**TERMS, **others}})


def batch(numbers='mixed numbers', seed=0):
    return with_views(make_batch(LABELS, seed=seed), NUMBERS[numbers])


@pytest.mark.parametrize('numbers', NUMBERS)
@pytest.mark.parametrize('views', VIEWS)
@pytest.mark.parametrize('size', SIZES)
def test_equals_the_retained_graph(size, views, numbers):
    expected = retained_graph(build(**config(views)), size, batch(numbers))
    actual = exact(build(**config(views)), size, batch(numbers))
    assert relative_error(actual[0], expected[0]) <= 1e-10
    for name, buffer in expected[1].items():
        assert torch.equal(buffer, actual[1][name]), name
    assert torch.equal(expected[2], actual[2])
    assert set(actual[3]) == {*expected[3], 'loss'} and len(expected[3]) == 12 + (' and ' in views)
    for key, value in expected[3].items():
        assert actual[3][key].item() == pytest.approx(
            value.item(), rel=1e-6 if 'labeled' in key else 1e-9
        ), key
    assert 0 < actual[3]['pseudo_labeled'] < 100  # the thresholds part the images


def test_a_micro_batch_may_have_no_pairs():
    """A term of pairs is 0 there; the losses of the others are still divided by all pairs."""
    data = with_views(make_batch(LABELS), [1] * 7 + [2] * 7)
    expected = retained_graph(build(**config()), 7, data)
    actual = exact(build(**config()), 7, data)
    assert relative_error(actual[0], expected[0]) <= 1e-10


def test_means_of_micro_batches_that_weigh_the_same_differ(monkeypatch):
    """Negative control: micro-batches have different numbers of pairs and views."""
    expected = retained_graph(build(**config()), 4, batch())
    monkeypatch.setattr(EffectiveBatch, 'share', lambda *args: torch.tensor(1 / 4))
    assert relative_error(exact(build(**config()), 4, batch())[0], expected[0]) > 1e-3


@pytest.mark.parametrize('views', ['weak', 'strong'])
def test_the_mean_of_small_nbels_of_views_is_another_objective(views):
    expected = retained_graph(build(**config(views)), 2, batch())
    assert (
        relative_error(exact(build(**config(views)), 2, batch(), nbel_batch_size=2)[0], expected[0])
        > 1e-4
    )


def test_other_views_are_another_objective():
    """Negative control: what is tested above tells the views apart."""
    grads = [exact(build(**config(views)), 4, batch())[0] for views in VIEWS]
    assert all(relative_error(a, b) > 1e-3 for i, a in enumerate(grads) for b in grads[:i])


def test_one_pass_is_enough_for_terms_that_add_up():
    model, count = build(**config()), []
    model.head.terms['nbel'].loss_weight = 0
    model.backbone.register_forward_hook(lambda *args: count.append(len(args[1][0])))
    exact(model, 4, batch())
    assert len(count) == 4 and sum(count) == sum(NUMBERS['mixed numbers'])
