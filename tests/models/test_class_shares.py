"""Estimates of class shares: from data whose shares are known, and against slow references."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from mmsemiloc.models.class_shares import (
    bbse_shares,
    em_shares,
    fit_temperature,
    smoothed_shares,
    tempered,
)

MEANS = np.array([[0.0, 2.0], [1.5, -1.0], [-1.5, -1.0]])  # of classes that overlap
TRAIN = np.array([0.5, 0.3, 0.2])
TRUE = np.array([0.1, 0.2, 0.7])


def draw(shares, size, seed):
    """Labels of that many images, and their points (N, 2)."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(len(shares), size, p=shares)
    return labels, MEANS[labels] + rng.normal(size=(size, 2))


def posteriors(points, shares):
    """The true posteriors of Gaussian classes with these shares."""
    logits = -0.5 * ((points[:, None] - MEANS) ** 2).sum(2) + np.log(shares)
    q = np.exp(logits - logits.max(1, keepdims=True))
    return q / q.sum(1, keepdims=True)


def slow_em(probs, train, steps):
    """Without smoothing, image by image."""
    shares = list(train)
    for _ in range(steps):
        sums = [0.0] * len(train)
        for row in probs:
            weights = [q * d / p for q, d, p in zip(row, shares, train, strict=True)]
            sums = [total + w / sum(weights) for total, w in zip(sums, weights, strict=True)]
        shares = [total / len(probs) for total in sums]
    return shares


def test_smoothed_shares_are_the_mean_of_the_posterior():
    assert smoothed_shares([3, 0, 1]).tolist() == pytest.approx([4 / 7, 1 / 7, 2 / 7])
    assert smoothed_shares([3, 0, 1], 0).tolist() == [0.75, 0, 0.25]
    assert smoothed_shares([0.5, 0.5], 1).tolist() == [0.5, 0.5]


def test_em_finds_the_shares():
    _, points = draw(TRUE, 100000, 0)
    probs = posteriors(points, TRAIN)
    assert em_shares(probs, 7 * TRAIN) == pytest.approx(TRUE, abs=0.01)

    # Negative controls: the mean prediction is not it, nor EM that does not know how the classifier
    # was trained.
    assert np.abs(probs.mean(0) - TRUE).max() > 0.05
    assert np.abs(em_shares(probs, [1, 1, 1]) - TRUE).max() > 0.02


def test_em_agrees_with_a_loop():
    probs = posteriors(draw(TRUE, 40, 1)[1], TRAIN)
    found = em_shares(probs, TRAIN, pseudo_count=0, max_steps=7, tolerance=0)
    assert found.tolist() == pytest.approx(slow_em(probs.tolist(), TRAIN.tolist(), 7), rel=1e-12)


def test_em_climbs_to_the_maximum_of_the_likelihood():
    probs = posteriors(draw(TRUE, 300, 2)[1], TRAIN)
    found = em_shares(probs, TRAIN, pseudo_count=0, max_steps=100000, tolerance=1e-13)

    def cost(logits):
        shares = np.exp(logits) / np.exp(logits).sum()
        return -np.log((probs / TRAIN * shares).sum(1)).mean()

    reference = minimize(cost, np.zeros(3), tol=1e-12).x
    assert found == pytest.approx(np.exp(reference) / np.exp(reference).sum(), abs=1e-4)


def test_em_leaves_no_class_without_a_share_and_takes_certain_predictions():
    probs = np.eye(3)[[0, 0, 1]]
    assert em_shares(probs, [1, 1, 1]).tolist() == pytest.approx([3 / 6, 2 / 6, 1 / 6], abs=1e-5)
    assert em_shares(probs, [1, 1, 1], pseudo_count=0)[2] == pytest.approx(0, abs=1e-5)


def confusion_of(shares, size, seed):
    labels, points = draw(shares, size, seed)
    counts = np.zeros((3, 3))
    np.add.at(counts, (labels, posteriors(points, TRAIN).argmax(1)), 1)
    return counts


def test_bbse_finds_the_shares():
    confusion = confusion_of(TRAIN, 20000, 3)
    predicted = confusion_of(TRUE, 20000, 4).sum(0)
    assert bbse_shares(confusion, predicted) == pytest.approx(TRUE, abs=0.01)
    assert np.abs(predicted / predicted.sum() - TRUE).max() > 0.03  # negative control: the counts


def test_rows_of_the_confusion_are_true_classes():
    confusion = np.array([[8, 2], [1, 9]])
    predicted = [0.8 * 0.3 + 0.1 * 0.7, 0.2 * 0.3 + 0.9 * 0.7]
    assert bbse_shares(confusion, predicted) == pytest.approx([0.3, 0.7], abs=1e-6)
    assert bbse_shares(confusion.T, predicted)[0] != pytest.approx(
        0.3, abs=0.02
    )  # negative control


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), ridge=st.sampled_from([0.0, 0.01, 1.0]))
def test_bbse_is_the_least_squares_solution_on_the_simplex(seed, ridge):
    rng = np.random.default_rng(seed)
    confusion = rng.integers(0, 9, (4, 4)) + 12 * np.eye(4)
    predicted = rng.dirichlet(np.ones(4))
    system = (confusion / confusion.sum(1, keepdims=True)).T
    labeled = confusion.sum(1) / confusion.sum()

    def cost(shares):
        return ((system @ shares - predicted) ** 2).sum() + ridge * ((shares - labeled) ** 2).sum()

    found = bbse_shares(confusion, predicted, ridge)
    reference = minimize(
        cost,
        np.full(4, 0.25),
        method='SLSQP',
        bounds=[(0, 1)] * 4,
        constraints=dict(type='eq', fun=lambda shares: shares.sum() - 1),
        options=dict(ftol=1e-14, maxiter=500),
    ).x
    assert found.sum() == pytest.approx(1, abs=1e-12) and (found >= 0).all()
    assert cost(found) <= cost(reference / reference.sum()) + 1e-6


def test_a_strong_ridge_gives_the_labelled_shares():
    confusion = confusion_of(TRAIN, 500, 5)
    assert bbse_shares(confusion, [0.1, 0.1, 0.8], ridge=1e4) == pytest.approx(
        confusion.sum(1) / 500, abs=1e-3
    )


def test_an_ill_conditioned_confusion_is_said_unless_a_ridge_helps():
    confusion = [[5, 5, 0], [5, 5, 0], [0, 1, 9]]  # classes 0 and 1 are alike
    with pytest.raises(ValueError, match=r'ill-conditioned .*ridge=0.01'):
        bbse_shares(confusion, [0.3, 0.3, 0.4])
    shares = bbse_shares(confusion, [0.3, 0.3, 0.4], ridge=0.01)
    assert shares[0] == pytest.approx(shares[1], abs=1e-4)


def test_temperature_undoes_what_made_predictions_too_confident():
    labels, points = draw(TRAIN, 20000, 6)
    true = posteriors(points, TRAIN)
    confident = tempered(true, 0.25)
    assert fit_temperature(confident, labels) == pytest.approx(4, rel=0.05)
    assert tempered(confident, 4) == pytest.approx(true, abs=1e-9)
    assert tempered(np.eye(3), 2) == pytest.approx(np.eye(3), abs=1e-9)


PROBS = [[0.5, 0.5], [0.1, 0.9]]


@pytest.mark.parametrize(
    'function, args, match',
    [
        (smoothed_shares, ([1, -1],), r'counts .*classes \[1\] have \[-1.0\]'),
        (smoothed_shares, ([0, 0],), 'not all of them 0'),
        (smoothed_shares, ([1, 2], -1), 'pseudo_count .*-1'),
        (em_shares, ([[0.5, 0.4]], [1, 1]), 'row 0 is'),
        (em_shares, ([[0.5, 0.5], [math.nan, 1]], [1, 1]), 'row 1 is'),
        (em_shares, (np.zeros((0, 2)), [1, 1]), r'shape .*\(0, 2\)'),
        (em_shares, (PROBS, [1, 1, 1]), 'probs has 2 classes, train_shares has 3'),
        (em_shares, (PROBS, [1, 0]), r'train_shares .*classes \[1\]'),
        (bbse_shares, ([[1, 2]], [0.5, 0.5]), r'confusion .*\(1, 2\)'),
        (bbse_shares, ([[1, 0], [0, -1]], [0.5, 0.5]), 'at least 0'),
        (bbse_shares, ([[1, 0], [0, 0]], [0.5, 0.5]), r'labelled images .*classes \[1\]'),
        (bbse_shares, ([[1, 0], [0, 1]], [1, 1, 1]), '2 classes, predicted_shares has 3'),
        (bbse_shares, ([[1, 0], [0, 1]], [1, 1], -1), 'ridge .*-1'),
        (tempered, (PROBS, 0), 'temperature .*0'),
        (fit_temperature, (PROBS, [0, 2]), r'from 0 to 1, .*\[0, 2\]'),
        (fit_temperature, (PROBS, [0]), r'shape \(1,\)'),
        (fit_temperature, (PROBS, [0.0, 1.0]), 'integers'),
    ],
)
def test_bad_input(function, args, match):
    with pytest.raises(ValueError, match=match):
        function(*args)
