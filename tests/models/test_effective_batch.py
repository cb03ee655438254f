"""The effective batch of an optimizer step: counts, shares and mean predictions."""

import pytest
import torch

from mmsemiloc.models import EffectiveBatch, PredictionSum, Selection, Views
from tests.conftest import make_batch, with_views
from tests.models.test_predictions import CHOICES, LABELED, NUMBERS, TABLE, chosen, predictions

CPU = torch.device('cpu')
ALL = Selection()


def batch_of(part):
    return EffectiveBatch.of(part.views, CPU)


def test_counts_are_those_of_the_views():
    batch = batch_of(predictions())
    for views, unlabeled in CHOICES:
        assert batch.count(Selection(views, unlabeled)) == len(chosen(views, unlabeled))
    assert batch.labeled == sum(LABELED[image] for _, image in TABLE) == 3


def test_a_collated_batch_and_its_flat_views_have_the_same_counts():
    batch = with_views(make_batch([0 if labeled else None for labeled in LABELED], size=4), NUMBERS)
    before = EffectiveBatch.of(Views.of_collated(batch['data_samples']), CPU)
    assert torch.equal(before.counts, batch_of(predictions()).counts)


@pytest.mark.parametrize('views, unlabeled', CHOICES)
def test_shares_of_micro_batches_make_the_mean_of_the_effective_batch(views, unlabeled):
    whole, selection = predictions(), Selection(views, unlabeled)
    batch = batch_of(whole)
    parts = [
        whole.at(torch.tensor(places)).select(views, unlabeled)
        for places in ([0, 2, 8], [1, 3, 4, 5, 6, 7])
    ]
    mean = whole.select(views, unlabeled).logits.mean()
    total = sum(batch.share(len(part), selection) * part.logits.mean() for part in parts)
    torch.testing.assert_close(total, mean)
    halves = sum(part.logits.mean() / 2 for part in parts)
    assert not torch.allclose(halves, mean)  # negative control: micro-batches are not alike


def test_shares_of_pairs_add_up():
    whole, strong = predictions(), Selection('strong')
    parts = [whole.at(torch.tensor(places)).pairs() for places in ([0, 2, 6, 8], [1, 5, 3, 7], [4])]
    assert [len(pairs) for pairs in parts] == [2, 2, 0]
    assert [float(batch_of(whole).share(len(pairs), strong)) for pairs in parts] == [0.5, 0.5, 0]


@pytest.mark.parametrize(
    'numbers, labeled, selection, words',
    [
        ([1, 1], [False, False], Selection('strong'), 'reads strong views, .*MultiView'),
        (
            [1, 1],
            [True, True],
            Selection('weak', True),
            'reads weak views of unlabelled images, .*labeled_ratio',
        ),
        ([1, 1], [True, True], Selection('all', True), 'reads views of unlabelled images, '),
    ],
)
def test_an_effective_batch_without_the_views_of_a_term_is_an_error(
    numbers, labeled, selection, words
):
    views = Views.of_collated(
        with_views(make_batch([0 if one else None for one in labeled], size=4), numbers)[
            'data_samples'
        ]
    )
    with pytest.raises(ValueError, match=words):
        EffectiveBatch.of(views, CPU).share(0, selection)


# --- Mean predictions


def sums(parts, selection=ALL):
    return [{selection: PredictionSum.of(part)} for part in parts]


def random_logits(*numbers):
    return [
        torch.randn(n, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(n))
        for n in numbers
    ]


@pytest.mark.parametrize('order', [[0, 1, 2], [2, 0, 1], [1, 2, 0]])
def test_the_mean_of_micro_batches_does_not_depend_on_their_order(order):
    parts = random_logits(3, 1, 2)
    batch = batch_of(predictions()).with_means(sums([parts[place] for place in order]))
    expected = torch.cat(parts).softmax(1).mean(0).log()
    torch.testing.assert_close(batch.log_mean(Selection()), expected)


def test_a_micro_batch_without_the_views_adds_nothing():
    parts = [*random_logits(3), torch.zeros(0, 4, dtype=torch.float64)]
    batch = batch_of(predictions()).with_means(sums(parts))
    torch.testing.assert_close(batch.log_mean(Selection()), parts[0].softmax(1).mean(0).log())


def test_the_means_of_selections_are_kept_apart():
    weak, strong = random_logits(3, 2)
    found = {
        Selection('weak'): PredictionSum.of(weak),
        Selection('strong', True): PredictionSum.of(strong),
    }
    before = batch_of(predictions())
    batch = before.with_means([found])
    torch.testing.assert_close(batch.log_mean(Selection('weak')), weak.softmax(1).mean(0).log())
    torch.testing.assert_close(
        batch.log_mean(Selection('strong', True)), strong.softmax(1).mean(0).log()
    )
    assert torch.equal(batch.counts, before.counts) and not before.log_means


def test_a_mean_that_nobody_declared_is_an_error():
    batch = batch_of(predictions()).with_means(sums(random_logits(3), Selection('weak')))
    with pytest.raises(ValueError, match='mean prediction of strong views was not computed'):
        batch.log_mean(Selection('strong'))


def test_a_class_that_nobody_predicts_stays_finite():
    total = PredictionSum.of(torch.tensor([[0.0, -1e4]])) + PredictionSum.of(
        torch.tensor([[0.0, -2e4]])
    )
    assert total.count == 2 and total.log_mean().isfinite().all()


def test_a_class_of_a_sum_that_no_rank_has_is_minus_infinity(monkeypatch):
    """A histogram may have an empty class, on all ranks or on one."""
    counts = torch.tensor([[3.0, 0.0, 1.0], [2.0, 0.0, 0.0]])

    def reduce(tensor, op):
        if tensor.dim() == 0:
            tensor.fill_(6.0)
        elif op == 'max':
            tensor.copy_(counts.log().amax(0))
        else:
            tensor.copy_((counts.log() - counts.log().amax(0).clamp(min=-1e38)).exp().sum(0))

    monkeypatch.setattr('mmengine.dist.get_world_size', lambda: 2)
    monkeypatch.setattr('mmengine.dist.all_reduce', reduce)
    for own in counts:
        total = PredictionSum(own.log(), int(own.sum())).log_mean()
        torch.testing.assert_close(total.exp(), torch.tensor([5.0, 0.0, 1.0]) / 6)
