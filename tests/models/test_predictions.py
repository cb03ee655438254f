from dataclasses import fields

import pytest
import torch

from mmsemiloc.models import WholeBatch
from mmsemiloc.models.views import flatten_views, view_counts
from tests.conftest import make_batch, make_predictions, with_views

LABELED = [True, False, False, True, False]
NUMBERS = [1, 2, 3, 2, 1]
TABLE = [
    (0, 0),
    (0, 1),
    (0, 2),
    (0, 3),
    (0, 4),
    (1, 1),
    (1, 2),
    (1, 3),
    (2, 2),
]  # (view, image), by hand
CHOICES = [(views, unlabeled) for views in ('all', 'weak', 'strong') for unlabeled in (False, True)]


def predictions(seed=0, **kwargs):
    logits = torch.randn(
        len(TABLE), 4, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)
    )
    return make_predictions(logits, NUMBERS, LABELED, **kwargs)


def part_of(whole, places):
    """The micro-batch of these places among the views of a whole batch."""
    return whole.__class__(
        **{
            **{field.name: getattr(whole, field.name) for field in fields(whole)},
            **{
                name: getattr(whole, name)[places]
                for name in ('logits', 'targets', 'features', 'labeled', 'view', 'image')
            },
            'share': len(places) / whole.whole.count(),
        }
    )


def chosen(views, unlabeled):
    return [
        place
        for place, (view, image) in enumerate(TABLE)
        if (views == 'all' or (view == 0) == (views == 'weak'))
        and not (unlabeled and LABELED[image])
    ]


@pytest.mark.parametrize('views, unlabeled', CHOICES)
def test_select_takes_everything_that_belongs_to_the_views(views, unlabeled):
    whole = predictions(targets=torch.arange(36.0).view(9, 4))
    part, places = whole.select(views, unlabeled), chosen(views, unlabeled)
    for name in ('logits', 'targets', 'features', 'labeled', 'view', 'image'):
        assert torch.equal(getattr(part, name), getattr(whole, name)[places]), name
    assert part.share == 1 and part.whole is whole.whole and part.fc_weight is whole.fc_weight


@pytest.mark.parametrize('views, unlabeled', CHOICES)
def test_parts_of_micro_batches_add_up_to_the_mean(views, unlabeled):
    whole = predictions()
    mean = whole.select(views, unlabeled).logits.mean()
    parts = [
        part_of(whole, places).select(views, unlabeled)
        for places in ([0, 2, 8], [1, 3, 4, 5, 6, 7])
    ]
    torch.testing.assert_close(sum(part.in_whole(part.logits.mean()) for part in parts), mean)
    halves = sum(
        part.logits.mean() / 2 for part in parts
    )  # negative control: micro-batches are not alike
    assert not torch.allclose(halves, mean)


def test_a_selection_without_views_is_an_error():
    with pytest.raises(ValueError, match='strong views of any images'):
        make_predictions(torch.zeros(2, 3), [1, 1]).select('strong')
    with pytest.raises(ValueError, match='weak views of unlabelled images'):
        make_predictions(torch.zeros(2, 3), [1, 1], [True, True]).select('weak', unlabeled=True)


@pytest.mark.parametrize(
    'order',
    [[0, 1, 2, 3, 4, 5, 6, 7, 8], [8, 5, 2, 0, 7, 1, 3, 6, 4]],
    ids=['as flattened', 'shuffled'],
)
def test_every_strong_view_meets_the_weak_one_of_its_image(order):
    part = part_of(predictions(), order)
    pairs = part.pairs()
    assert [TABLE[order[place]] for place in pairs.strong] == [
        TABLE[place] for place in order if TABLE[place][0] > 0
    ]
    assert [TABLE[order[place]] for place in pairs.weak] == [
        (0, TABLE[place][1]) for place in order if TABLE[place][0] > 0
    ]
    assert pairs.share == 1


def test_pairs_of_micro_batches_add_up():
    whole = predictions()
    parts = [part_of(whole, places).pairs() for places in ([0, 2, 6, 8], [1, 5, 3, 7], [4])]
    assert [len(pairs.strong) for pairs in parts] == [2, 2, 0]
    assert [float(pairs.share) for pairs in parts] == [0.5, 0.5, 0]
    assert parts[2].in_whole(torch.tensor(3.0)) == 0


def test_a_whole_batch_without_pairs_is_an_error():
    with pytest.raises(ValueError, match='no image of the batch has several.*MultiView'):
        make_predictions(torch.zeros(2, 3), [1, 1]).pairs()


@pytest.mark.parametrize('dtype', [torch.float16, torch.float32])
def test_a_part_has_the_type_of_the_mean(dtype):
    assert predictions().in_whole(torch.tensor(1.0, dtype=dtype)).dtype == dtype
    assert predictions().pairs().in_whole(torch.tensor(1.0, dtype=dtype)).dtype == dtype


# --- WholeBatch


def test_counts_of_the_whole_batch():
    whole = predictions().whole
    for views, unlabeled in CHOICES:
        assert whole.count(views, unlabeled) == len(chosen(views, unlabeled))
    assert whole.labeled == sum(LABELED[image] for _, image in TABLE) == 3


def test_a_collated_batch_and_its_flat_samples_have_the_same_counts():
    batch = with_views(make_batch([0 if labeled else None for labeled in LABELED], size=4), NUMBERS)
    before = WholeBatch.of_batch(batch, torch.device('cpu'))
    _, samples = flatten_views(batch['inputs'], batch['data_samples'])
    assert torch.equal(before.counts, WholeBatch.of_samples(samples, torch.device('cpu')).counts)
    assert torch.equal(before.counts, predictions().whole.counts)


@pytest.mark.parametrize('views', ['all', 'weak', 'strong'])
def test_mean_prediction_of_micro_batches(views):
    """The last micro-batch closes the mean; the others are counted already."""
    whole = WholeBatch(
        view_counts(torch.zeros(2, dtype=torch.long), torch.zeros(2, dtype=torch.bool))
    )
    parts = [
        torch.randn(n, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(n))
        for n in (3, 1, 2)
    ]
    whole.add(parts[0], views)
    whole.add(parts[1], views)
    expected = torch.cat(parts).softmax(1).mean(0).log()
    for logits in (parts[2], parts[0], parts[1]):
        torch.testing.assert_close(whole.log_mean(logits, views), expected)


def test_the_means_of_views_are_kept_apart():
    whole = predictions().whole
    weak, strong = torch.randn(
        2, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0)
    )
    whole.add(weak[:1], 'weak')
    torch.testing.assert_close(whole.log_mean(strong, 'strong'), strong.softmax(1).mean(0).log())
    torch.testing.assert_close(whole.log_mean(weak[1:], 'weak'), weak.softmax(1).mean(0).log())
    fresh = whole.without_predictions()
    assert torch.equal(fresh.counts, whole.counts)
    torch.testing.assert_close(fresh.log_mean(weak[:1], 'weak'), weak[0].log_softmax(0))


def test_nothing_is_added_to_a_complete_mean():
    whole = predictions().whole
    whole.log_mean(torch.zeros(1, 4), 'weak')
    with pytest.raises(AssertionError, match='complete'):
        whole.add(torch.zeros(1, 4), 'weak')
