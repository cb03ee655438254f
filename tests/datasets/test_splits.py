import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmsemiloc.datasets.splits import class_sequence, draw_splits

LABELS = np.repeat(np.arange(5), [40, 30, 20, 10, 3])


def counts(labels, indices):
    return np.bincount(labels[indices], minlength=labels.max() + 1)


@settings(max_examples=50, deadline=None)
@given(sizes=st.lists(st.integers(1, 12), min_size=1, max_size=6), seed=st.integers(0, 1000))
def test_every_beginning_is_balanced(sizes, seed):
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes))
    order = class_sequence(labels, np.random.default_rng(seed))
    assert sorted(order) == list(range(len(labels)))
    for n in range(1, len(order) + 1):
        drawn = counts(labels, order[:n])
        left = drawn < sizes
        assert not left.any() or drawn.max() - drawn[left].min() <= 1


def test_proportional_beginnings_have_the_shares_of_the_whole():
    order = class_sequence(LABELS, np.random.default_rng(0), 'proportional')
    shares = np.bincount(LABELS) / len(LABELS)
    for n in (10, 25, 50, 103):
        assert np.abs(counts(LABELS, order[:n]) - n * shares).max() <= 1
    balanced = class_sequence(LABELS, np.random.default_rng(0), 'classes')
    assert np.abs(counts(LABELS, balanced[:50]) - 50 * shares).max() > 1  # negative control


def test_sets_are_nested_disjoint_and_follow_the_seed():
    labeled, unlabeled = draw_splits(LABELS, [5, 20], [30, 60, 83], seed=3)
    assert set(labeled[5]) < set(labeled[20]) and set(unlabeled[30]) < set(unlabeled[60]) < set(
        unlabeled[83]
    )
    assert not set(labeled[20]) & set(unlabeled[83])
    assert {n: len(indices) for n, indices in {**labeled, **unlabeled}.items()} == {
        n: n for n in (5, 20, 30, 60, 83)
    }
    again, other = draw_splits(LABELS, [20], [60], seed=3), draw_splits(LABELS, [20], [60], seed=4)
    assert np.array_equal(again[0][20], labeled[20]) and np.array_equal(again[1][60], unlabeled[60])
    assert not np.array_equal(other[0][20], labeled[20]) and not np.array_equal(
        other[1][60], unlabeled[60]
    )


def test_a_given_labelled_set_is_kept():
    given_set = np.array([50, 1, 2])
    labeled, unlabeled = draw_splits(LABELS, [], [100], seed=0, labeled=given_set)
    assert labeled[3].tolist() == [1, 2, 50] and set(unlabeled[100]) == set(range(103)) - {1, 2, 50}


@pytest.mark.parametrize(
    'args, match',
    [
        (([60], [44], 0), '60 labelled and 44 unlabelled images from 103'),
        (([2], [5], 0), '2 labelled images are fewer than the 5 classes'),
        (([0], [5], 0), 'draw 0'),
        (([5], [0], 0), 'and 0 unlabelled'),
    ],
)
def test_impossible_sizes(args, match):
    with pytest.raises(ValueError, match=match):
        draw_splits(LABELS, *args)


def test_unknown_balance():
    with pytest.raises(ValueError, match="'random'"):
        class_sequence(LABELS, np.random.default_rng(0), 'random')
