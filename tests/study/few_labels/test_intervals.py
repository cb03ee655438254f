import numpy as np
import pytest

from mmsemiloc.study.few_labels.intervals import Bootstrap, value_of


def random_hits(rng, draws, images, rate, spread=0.0):
    """Predictions of 0 or 1 for images of class 1, with a rate of its own for each draw."""
    rates = np.clip(rate + spread * rng.normal(size=(draws, 1)), 0, 1)
    return (rng.random((draws, images)) < rates).astype(int)


def test_a_method_does_not_differ_from_itself():
    labels = np.ones(50, int)
    first = random_hits(np.random.default_rng(0), 5, 50, 0.7)
    found = Bootstrap(labels, 5, 'accuracy').difference(first, first)
    assert (found.value, found.low, found.high) == (0, 0, 0)


def test_the_interval_is_that_of_a_plain_loop():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 40)
    first, second = rng.integers(0, 2, (2, 6, 40))
    found = Bootstrap(labels, 6, 'mean_recall').difference(first, second)

    values = []
    for _ in range(4000):
        draws, images = rng.integers(6, size=6), rng.integers(40, size=40)
        recalls = []
        for label in (0, 1):
            chosen = images[labels[images] == label]
            hits = (first == labels)[draws][:, chosen].mean()
            recalls.append(hits - (second == labels)[draws][:, chosen].mean())
        values.append(100 * np.mean(recalls))
    assert found.low == pytest.approx(np.percentile(values, 2.5), abs=1.0)
    assert found.high == pytest.approx(np.percentile(values, 97.5), abs=1.0)
    expected = value_of_all(first, labels) - value_of_all(second, labels)
    assert found.value == pytest.approx(expected, abs=1e-4)


def value_of_all(predictions, labels):
    return np.mean([value_of(row, labels, 'mean_recall') for row in predictions])


def test_the_spread_of_draws_makes_it_wider():
    labels = np.ones(500, int)
    rng = np.random.default_rng(0)
    base = random_hits(rng, 8, 500, 0.6)
    widths = []
    for spread in (0.0, 0.2):
        other = random_hits(rng, 8, 500, 0.6, spread)
        found = Bootstrap(labels, 8, 'accuracy').difference(other, base)
        widths.append(found.high - found.low)
    assert widths[1] > 2 * widths[0]


def test_the_interval_covers_a_difference_of_zero_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    covered = 0
    for seed in range(60):
        first, second = (random_hits(rng, 15, 60, 0.6, 0.1) for _ in range(2))
        found = Bootstrap(np.ones(60, int), 15, 'accuracy', seed).difference(first, second)
        covered += found.low <= 0 <= found.high
    assert covered >= 50


def test_one_draw_has_no_interval():
    found = Bootstrap(np.ones(4, int), 1, 'accuracy').difference(
        np.array([[1, 1, 1, 0]]), np.array([[1, 0, 0, 0]])
    )
    assert found.text() == '+50.0' and np.isnan(found.low)


def test_mean_recall_counts_classes_alike():
    labels = np.array([0, 0, 0, 1])
    predictions = np.zeros(4, int)
    assert value_of(predictions, labels, 'accuracy') == 75
    assert value_of(predictions, labels, 'mean_recall') == 50
