from dataclasses import replace

import numpy as np
import pytest

from mmsemiloc.study.few_labels.draw import held_out_score, make_draw, outcome_of, random_labels
from mmsemiloc.study.few_labels.image_sets import Features, ImageSet
from mmsemiloc.study.few_labels.rows import NUMBER_OF_SETTINGS, Row, rows
from mmsemiloc.study.few_labels.shares import share_rows

CHOSEN = ImageSet('none.py', 8, None, 60, (2,), 'accuracy')


def blobs(distance=3.0, shares=(1, 1, 1), seed=0):
    """Features of 120 training and 90 test images around a point for each class."""
    rng = np.random.default_rng(seed)
    points = distance * rng.normal(size=(len(shares), 12)) / 12**0.5

    def some(number, views):
        labels = rng.choice(len(shares), number, p=np.array(shares) / sum(shares))
        noise = rng.normal(size=(views, number, 12)) / 12**0.5
        return (points[labels] + noise).astype(np.float32), labels

    train, train_labels = some(120, 3)
    test, test_labels = some(90, 1)
    maps = np.repeat(train[0][..., None, None], 2, 3).repeat(2, 2).astype(np.float16)
    return Features(train, train_labels, test[0], test_labels, maps)


def test_each_method_has_the_same_number_of_settings():
    numbers = {name: len(row.settings) for name, row in rows().items()}
    assert set(numbers.values()) == {NUMBER_OF_SETTINGS}, numbers
    assert len({repr(setting) for row in rows().values() for setting in row.settings.values()}) == (
        NUMBER_OF_SETTINGS * len(numbers)
    )


@pytest.mark.parametrize('name', list(rows()))
def test_every_method_finds_classes_that_lie_apart(name):
    features = blobs(distance=6)
    first = dict(list(rows()[name].settings.items())[:1])
    outcome = outcome_of(make_draw(features, CHOSEN, 4, 0), Row(first, rows()[name].maps))
    assert (outcome.predictions == features.test_labels).mean() > 0.9


@pytest.mark.parametrize('name', ['linear SVM', 'label spreading'])
def test_held_out_accuracy_is_at_chance_where_labels_say_nothing(name):
    rng, shares = np.random.default_rng(1), []
    for seed in range(6):
        features = blobs(seed=seed)
        mixed = replace(features, train_labels=rng.permutation(features.train_labels))
        shares.append(outcome_of(make_draw(mixed, CHOSEN, 8, seed), rows()[name]).held_out)
    assert 15 < np.mean(shares) < 60  # the best of six settings, of three classes

    # Labels that say something are found on the same images.
    assert outcome_of(make_draw(blobs(distance=6), CHOSEN, 8, 0), rows()[name]).held_out > 90


@pytest.mark.parametrize('name', ['CE + MEL + NBEL', 'self-training'])
def test_labels_that_are_not_drawn_do_not_matter(name):
    features = blobs()
    draw = make_draw(features, CHOSEN, 2, 0)

    # make_draw chooses the labelled images by their labels; from then on only theirs are there.
    other = replace(draw, labeled=replace(draw.labeled, labels=1 - draw.labeled.labels % 2))
    row = Row(dict(list(rows()[name].settings.items())[:2]))
    first, second = outcome_of(draw, row), outcome_of(draw, row)
    assert first.setting == second.setting
    assert np.array_equal(first.predictions, second.predictions)
    assert not np.array_equal(outcome_of(other, row).predictions, first.predictions)


def test_draws_differ_in_images_and_labels_and_nothing_else():
    features = blobs()
    one, again, two = (make_draw(features, CHOSEN, 2, seed) for seed in (0, 0, 1))
    assert len(one.labeled.places) == 6 and one.train.shape[:2] == (3, 60)
    assert np.array_equal(one.labeled.places, again.labeled.places)
    assert one.train.equal(again.train) and not one.train.equal(two.train)


def test_one_label_per_class_takes_the_first_setting():
    draw = make_draw(blobs(), CHOSEN, 1, 0)
    outcome = outcome_of(draw, rows()['CE'])
    assert draw.fold is None and np.isnan(outcome.held_out)
    assert outcome.setting == next(iter(rows()['CE'].settings))


def test_maps_are_those_whose_means_are_the_features():
    draw = make_draw(blobs(), CHOSEN, 2, 0)
    means = draw.maps.mean((2, 3))
    offset = means - draw.train[0]  # the mean of the features, which the bias takes
    assert offset.std(0).max() < 1e-2 * draw.train[0].std()


def test_random_labels_have_two_of_each_class():
    labels = np.array([0] * 90 + [1] * 10)
    draws = [random_labels(labels, 10, seed) for seed in range(30)]
    counts = np.array([np.bincount(labels[known], minlength=2) for known in draws])
    assert counts.min() == 2 and counts.sum(1).tolist() == [10] * 30
    assert counts[:, 0].mean() > 6  # the larger class has more of them
    with pytest.raises(ValueError, match='3 labels drawn at random do not have 2 of each class'):
        random_labels(labels, 3, 0)


def test_the_held_out_score_counts_each_class_alike():
    probs = np.array([[0.9, 0.1], [0.9, 0.1], [0.9, 0.1], [0.6, 0.4]])
    share, logs = held_out_score(probs, np.array([0, 0, 0, 1]))
    assert share == pytest.approx((1 + 0) / 2)
    assert logs == pytest.approx((np.log(0.9) + np.log(0.4)) / 2)


def test_estimated_shares_are_near_the_true_ones():
    features = blobs(distance=5, shares=(6, 3, 1))
    draw = make_draw(features, replace(CHOSEN, images=None), 4, 0)
    true = np.bincount(features.train_labels) / 120
    found = share_rows(draw, true)
    assert list(found) == [
        f'CE + MEL + NBEL, {name}' for name in ('true shares', 'shares by EM', 'shares by BBSE')
    ]
    for row in found.values():
        prior = np.array(next(iter(row.settings.values())).method.terms['nbel']['prior'])
        assert np.abs(prior / prior.sum() - true).max() < 0.12
        assert np.abs(1 / 3 - true).max() > 0.2  # equal shares are not


def test_labels_drawn_at_random_give_shares_of_their_own():
    chosen = replace(CHOSEN, images=None, balanced=False)
    draw = make_draw(blobs(shares=(6, 3, 1)), chosen, 6, 0)
    assert 'CE + MEL + NBEL, shares of the labels' in share_rows(draw, np.ones(3) / 3)
