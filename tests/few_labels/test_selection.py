"""Cross-validation: folds, a choice, and an accuracy that is not too good."""

import numpy as np
import pytest
import torch

from mmsemiloc.few_labels.projection import Projection
from mmsemiloc.few_labels.selection import (
    Labeled,
    choose,
    nested_sets,
    stratified_folds,
    train_sets,
    wilson_interval,
)
from mmsemiloc.few_labels.settings import Linear, candidates
from mmsemiloc.few_labels.solver import Solver, train_heads
from mmsemiloc.few_labels.whole_set_loss import Method

SOLVER = Solver(steps=10, scale=3.0)


@pytest.mark.parametrize('counts', [(2, 2), (2, 7, 11), (5, 5, 5)])
def test_folds_have_equal_shares_of_each_class(counts):
    labels = np.repeat(range(len(counts)), counts)
    fold = stratified_folds(labels, 5)
    for name, count in enumerate(counts):
        inside = np.bincount(fold[labels == name], minlength=5)
        assert inside.max() - inside.min() <= 1 and inside.max() < count
    assert (stratified_folds(labels, 5) == fold).all()


def test_folds_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match='at least 2 folds, got 1'):
        stratified_folds(np.array([0, 0, 1, 1]), 1)
    with pytest.raises(ValueError, match=r'2 labelled images of each class; \[1\] have 1'):
        stratified_folds(np.array([0, 0, 1]), 2)


@pytest.mark.parametrize('counts', [(2, 2), (3, 4, 9)])
def test_nested_sets_leave_out_both_folds(counts):
    labels = np.repeat(range(len(counts)), counts)
    fold = stratified_folds(labels, 3)
    outer, inner, held = nested_sets(fold, 0, labels)
    numbers = np.unique(fold)

    for place, number in enumerate(numbers):
        assert set(outer[place]) == set(np.flatnonzero(fold != number))
        pairs = range(place * len(numbers), (place + 1) * len(numbers))
        for pair in pairs:
            # No overlap, nothing of the outer fold, and each class in every training set.
            assert not set(inner[pair]) & set(held[pair])
            assert set(inner[pair]) | set(held[pair]) == set(outer[place])
            assert set(labels[inner[pair]]) == set(labels)


def test_sets_of_unequal_size_give_what_each_gives_alone():
    features = torch.randn(1, 12, 4, generator=torch.Generator().manual_seed(0)).double()
    labels = np.arange(12) % 2
    sets = [np.arange(6), np.arange(8), np.arange(2, 8)]
    heads = train_sets(features, Labeled(np.arange(12), labels, 2), sets, Linear(Method(), SOLVER))
    for place, chosen in enumerate(sets):
        known = torch.from_numpy(chosen)[None]
        alone = train_heads(features, known, torch.from_numpy(labels)[known], 2, Method(), SOLVER)
        torch.testing.assert_close(heads.weight[place], alone.weight[0])


def test_the_accuracy_of_a_choice_among_noise_is_chance():
    """Of many settings on random labels the best one looks good; the nested accuracy does not."""
    rng = np.random.default_rng(0)
    features = torch.from_numpy(rng.normal(size=(1, 60, 20)))
    settings = {
        f'{place}': Linear(Method(weight_decay=10.0**place), SOLVER) for place in range(-4, 2)
    }
    best, honest = [], []
    for draw in range(8):
        labels = rng.permutation(np.arange(60) % 2)
        known = Labeled(np.arange(60), labels, 2)
        choice = choose(features, known, settings, folds=3, seed=draw)
        best.append(max(choice.accuracies.values()))
        honest.append(choice.accuracy(labels)[0])
    assert np.mean(best) > np.mean(honest)
    assert 40 < np.mean(honest) < 58


def test_a_problem_that_can_be_solved_is_solved():
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 3
    features = torch.from_numpy(5 * np.eye(3)[labels] + rng.normal(size=(60, 3)))[None]
    done = []
    choice = choose(
        features,
        Labeled(np.arange(30), labels[:30], 3),
        candidates([10, 10, 10], views=False),
        done=lambda: done.append(1),
    )
    accuracy, (low, high) = choice.accuracy(labels[:30])
    assert accuracy > 95 and low < accuracy <= high and len(done) == 8
    np.testing.assert_allclose(choice.held_out.sum(1), 1)


def test_wilsons_interval_equals_its_formula():
    p, n, z = 0.8, 100, 1.959964
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * (p * (1 - p) / n + z * z / (4 * n * n)) ** 0.5
    np.testing.assert_allclose(
        wilson_interval(80, 100), (100 * (centre - half), 100 * (centre + half)), rtol=1e-5
    )


def test_settings_know_unequal_classes_and_views():
    assert len(candidates([4, 4], views=False)) == 8
    assert len(candidates([4, 4], views=True)) == 14
    unequal = candidates([4, 9], views=True)
    assert len(unequal) == 26
    priors = [
        terms['nbel']['prior']
        for terms in (setting.method.terms for setting in unequal.values())
        if 'nbel' in terms
    ]
    assert priors.count(None) == priors.count([5.0, 10.0]) == 12


def test_a_projection_folds_into_the_classifier_behind_it():
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(30, 8, generator=generator).double() + 3
    projection = Projection.of(features, dims=5)
    small = projection(features)
    assert small.shape == (30, 5)
    torch.testing.assert_close(small.square().sum(1).mean(), torch.tensor(1.0).double())
    torch.testing.assert_close(small.mean(0), torch.zeros(5).double())

    weight, bias = torch.randn(3, 5).double(), torch.randn(3).double()
    full, offset = projection.unfold(weight, bias)
    torch.testing.assert_close(features @ full.T + offset, small @ weight.T + bias)


def test_features_that_are_all_the_same_are_refused():
    with pytest.raises(ValueError, match='the features of all 3 images are the same'):
        Projection.of(torch.ones(3, 4))
