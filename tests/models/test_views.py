import pytest
import torch
from mmpretrain.structures import DataSample

from mmsemiloc.models import Selection, Views
from mmsemiloc.models.views import flatten_views, number_of_views
from tests.conftest import make_batch, with_views
from tests.models.reference import NUMBERS, TABLE

LABELS = [2, None, None, 0, None]


def collated(numbers=NUMBERS, labels=LABELS):
    return with_views(make_batch(labels, size=4), numbers)


def view_of(batch, view, image):
    """A view by its numbers, straight from the collated batch."""
    return batch['inputs'][image] if view == 0 else batch['data_samples'][image].views[view - 1]


@pytest.mark.parametrize('stacked', [True, False], ids=['tensor', 'list'])
def test_first_views_come_first_and_every_sample_tells_its_view(stacked):
    batch = collated()
    inputs, samples = flatten_views(
        torch.stack(batch['inputs']) if stacked else batch['inputs'], batch['data_samples']
    )
    assert isinstance(inputs, torch.Tensor) == stacked
    assert len(inputs) == len(samples) == len(TABLE)
    for one, sample, (view, image) in zip(inputs, samples, TABLE, strict=True):
        assert torch.equal(one, view_of(batch, view, image))
        assert ('gt_label' in sample) == (LABELS[image] is not None) and 'views' not in sample
        assert 'gt_label' not in sample or sample.gt_label.item() == LABELS[image]
    views = Views.of(samples)
    assert list(zip(views.number.tolist(), views.image.tolist(), strict=True)) == TABLE
    assert views.labeled.tolist() == [LABELS[image] is not None for _, image in TABLE]


def test_the_collated_samples_stay_as_they_are():
    """A second pass flattens them again."""
    batch = collated()
    before = [view_of(batch, view, image).clone() for view, image in TABLE]
    _, samples = flatten_views(batch['inputs'], batch['data_samples'])
    for sample in samples:
        sample.set_gt_label(4)
    inputs, samples = flatten_views(batch['inputs'], batch['data_samples'])
    assert all(torch.equal(a, b) for a, b in zip(inputs, before, strict=True))
    views = [
        sample for sample, (_, image) in zip(samples, TABLE, strict=True) if NUMBERS[image] > 1
    ]
    assert [sample.get('gt_label') for sample in views] == [None, None, 0, None, None, 0, None]
    assert not any('view' in sample or 'image' in sample for sample in batch['data_samples'])


@pytest.mark.parametrize('stacked', [True, False], ids=['tensor', 'list'])
def test_single_views_are_returned_as_they_are(stacked):
    batch = collated([1] * 5)
    given = torch.stack(batch['inputs']) if stacked else batch['inputs']
    inputs, samples = flatten_views(given, batch['data_samples'])
    assert inputs is given and samples is batch['data_samples']
    views = Views.of(samples)
    assert views.number.tolist() == [0] * 5
    assert views.labeled.tolist() == [True, False, False, True, False]
    assert views.image.tolist() == [0, 1, 2, 3, 4]


def test_samples_keep_their_other_fields():
    sample = DataSample(metainfo=dict(img_path='a.png')).set_gt_score(torch.tensor([0.25, 0.75]))
    sample.set_field(torch.zeros(1, 3, 4, 4), 'views')
    _, samples = flatten_views(torch.ones(1, 3, 4, 4), [sample])
    assert [one.img_path for one in samples] == ['a.png'] * 2
    assert all(torch.equal(one.gt_score, sample.gt_score) for one in samples)
    assert Views.of(samples).labeled.tolist() == [True, True]


def test_views_of_another_size_than_the_first_are_refused():
    batch = collated()
    batch['data_samples'][1].views = torch.zeros(1, 3, 5, 5)
    with pytest.raises(RuntimeError):
        flatten_views(torch.stack(batch['inputs']), batch['data_samples'])


def test_counts_before_and_after_flattening_agree():
    batch = collated()
    expected = torch.zeros(2, 16, dtype=torch.float64)
    for view, image in TABLE:
        expected[int(LABELS[image] is not None), view] += 1
    assert torch.equal(Views.of_collated(batch['data_samples']).counts(), expected)
    _, samples = flatten_views(batch['inputs'], batch['data_samples'])
    assert torch.equal(Views.of(samples).counts(), expected)
    assert [number_of_views(sample) for sample in batch['data_samples']] == NUMBERS


def test_views_before_and_after_flattening_are_the_same_ones():
    batch = collated()
    before = Views.of_collated(batch['data_samples'])
    after = Views.of(flatten_views(batch['inputs'], batch['data_samples'])[1])
    rows = [
        sorted(zip(*(part.tolist() for part in (v.number, v.image, v.labeled)), strict=True))
        for v in (before, after)
    ]
    assert rows[0] == rows[1] and len(before) == len(TABLE)


def test_up_to_16_views():
    assert Views.of_collated(collated([16] * 5)['data_samples']).counts().sum() == 80
    with pytest.raises(ValueError, match='up to 16 views, got 17'):
        Views.of_collated(collated([1, 17, 1, 1, 1])['data_samples']).counts()


def slow_choice(views, unlabeled):
    return [
        place
        for place, (view, image) in enumerate(TABLE)
        if (views == 'all' or (view == 0) == (views == 'weak'))
        and not (unlabeled and LABELS[image] is not None)
    ]


@pytest.mark.parametrize('unlabeled', [False, True])
@pytest.mark.parametrize('views', ['all', 'weak', 'strong'])
def test_choice_agrees_with_a_loop(views, unlabeled):
    number, image = torch.tensor(TABLE).T
    labeled = torch.tensor([LABELS[image] is not None for _, image in TABLE])
    chosen = Views(number, labeled, image).choose(Selection(views, unlabeled))
    assert chosen.tolist() == slow_choice(views, unlabeled)


def test_unknown_views():
    assert [Selection(views).views for views in ('all', 'weak', 'strong')] == [
        'all',
        'weak',
        'strong',
    ]
    with pytest.raises(ValueError, match=r"one of \('all', 'weak', 'strong'\), got 'first'"):
        Selection('first')


def test_views_cannot_be_changed():
    views = Views.of_collated(collated()['data_samples'])
    with pytest.raises(AttributeError):
        views.number = torch.zeros(9)


@pytest.mark.parametrize('seed', range(5))
def test_a_teacher_predicts_weak_views_without_a_label_or_with_partners(seed):
    """Against a loop over images."""
    rng = torch.Generator().manual_seed(seed)
    numbers = torch.randint(1, 4, (6,), generator=rng).tolist()
    labels = [1 if torch.rand((), generator=rng) < 0.5 else None for _ in numbers]
    batch = with_views(make_batch(labels, size=4), numbers)
    views = Views.of(flatten_views(batch['inputs'], batch['data_samples'])[1])
    expected = [
        image
        for image, (label, number) in enumerate(zip(labels, numbers, strict=True))
        if number > 1 or label is None
    ]
    assert views.taught().tolist() == expected
    order = torch.randperm(sum(numbers), generator=rng)
    assert order[views[order].taught()].sort()[0].tolist() == expected
