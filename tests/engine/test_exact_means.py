"""Own terms that read the mean prediction of their views, over micro-batches of any size."""

import pytest

from mmsemiloc.models import Term
from mmsemiloc.models.prediction_sum import PredictionSum
from tests.conftest import make_batch, with_views
from tests.engine.test_exact_nbel import build, exact, relative_error, retained_graph

LABELS = [0, None, 3, None, 1, None, 2, None]  # in turns: every micro-batch of 2 has one of each
SORTED = [0, 3, 1, 2, None, None, None, None]  # half of the micro-batches have no unlabelled image
SIZES = [8, 4, 3, 2, 1]


class BatchEntropyOfSelection(Term):
    """The negative entropy of the mean prediction, of the views that the config names."""

    reads_mean = True

    def compute(self, predictions):
        q = predictions.logits.softmax(1).mean(0)
        log_mean = predictions.log_mean
        # The value is that of the effective batch, the gradient that of these images.
        carrier = (q * log_mean).sum()
        return {'loss_own': (log_mean.exp() * log_mean).sum() + carrier - carrier.detach()}


def build_with(views='all', unlabeled=False):
    own = dict(type=BatchEntropyOfSelection, loss_weight=2.0, views=views, unlabeled=unlabeled)
    return build(head=dict(terms=dict(own=own)))


@pytest.mark.parametrize('labels', [LABELS, SORTED], ids=['mixed', 'sorted'])
@pytest.mark.parametrize('size', SIZES)
def test_the_mean_of_unlabelled_images_is_that_of_the_effective_batch(size, labels):
    data = make_batch(labels)
    expected = retained_graph(build_with(unlabeled=True), size, data)
    actual = exact(build_with(unlabeled=True), size, make_batch(labels))
    assert relative_error(actual[0], expected[0]) <= 1e-10
    for key, value in expected[3].items():
        assert actual[3][key].item() == pytest.approx(value.item(), rel=1e-9), key


@pytest.mark.parametrize('size', SIZES)
@pytest.mark.parametrize('views', ['weak', 'strong'])
def test_the_mean_of_some_views_is_that_of_the_effective_batch(views, size):
    numbers = [1, 2, 3, 2, 1, 2, 2, 1]
    batches = [with_views(make_batch(LABELS), numbers) for _ in range(2)]
    expected = retained_graph(build_with(views, True), size, batches[0])
    actual = exact(build_with(views, True), size, batches[1])
    assert relative_error(actual[0], expected[0]) <= 1e-10


def build_nbel(prior=None, **kwargs):
    nbel = dict(type='mmsemiloc.NegativeBatchEntropyLoss', prior=prior, **kwargs)
    mel = dict(type='mmsemiloc.MeanEntropyLoss', divergence_alpha=kwargs.get('divergence_alpha', 1))
    return build(head=dict(loss_nbel=nbel, loss_mel=mel))


@pytest.mark.parametrize('prior', [None, [1, 2, 3, 4, 5]], ids=['none', 'prior'])
@pytest.mark.parametrize('alpha', [1, 2, 7])
@pytest.mark.parametrize('size', [8, 3, 2])
def test_nbel_of_unlabelled_images_and_any_order_is_exact(size, alpha, prior):
    kwargs = dict(prior=prior, unlabeled=True, divergence_alpha=alpha)
    expected = retained_graph(build_nbel(**kwargs), size, make_batch(LABELS))
    actual = exact(build_nbel(**kwargs), size, make_batch(LABELS))
    assert relative_error(actual[0], expected[0]) <= 1e-10
    for key, value in expected[3].items():
        assert actual[3][key].item() == pytest.approx(value.item(), rel=1e-9), key


def test_order_and_selection_of_nbel_change_the_gradient():
    """Negative control: what the reference above would not tell apart otherwise."""
    kwargs = dict(unlabeled=True, divergence_alpha=2)
    [expected, *others] = [
        exact(build_nbel(**{**kwargs, **change}), 2, make_batch(LABELS))[0]
        for change in ({}, dict(unlabeled=False), dict(divergence_alpha=7))
    ]
    assert all(relative_error(other, expected) > 1e-3 for other in others)


def test_another_selection_has_another_mean():
    """Negative control: the mean of all images would be a different loss."""
    values = [
        exact(build_with(unlabeled=flag), 2, make_batch(LABELS))[3]['loss_own'].item()
        for flag in (True, False)
    ]
    assert abs(values[0] - values[1]) > 1e-3


def test_without_the_sums_of_the_other_micro_batches_the_value_differs(monkeypatch):
    """Negative control: the mean of the last micro-batch alone."""
    expected = retained_graph(build_with(unlabeled=True), 2, make_batch(LABELS))[3]['loss_own']
    monkeypatch.setattr(PredictionSum, '__add__', lambda self, other: other)
    actual = exact(build_with(unlabeled=True), 2, make_batch(LABELS))[3]['loss_own']
    assert abs(actual.item() - expected.item()) > 1e-4
