import pytest
import torch

from mmsemiloc.models import DistributionAlignment, align
from tests.models.reference import normal, probabilities

PRIOR = [1, 2, 3, 4]


def slow_align(q, mean, prior):
    """q d / p with sum 1, row by row."""
    rows = []
    for row in q:
        moved = [a * d / p for a, d, p in zip(row, prior, mean, strict=True)]
        rows.append([a / sum(moved) for a in moved])
    return rows


def slow_mean(q):
    return [sum(column) / len(q) for column in zip(*q, strict=True)]


def assert_same(log_probs, expected):
    torch.testing.assert_close(log_probs.exp(), torch.tensor(expected, dtype=torch.float64))


@pytest.mark.parametrize('prior', [None, PRIOR])
def test_agrees_with_a_loop_over_rows(prior):
    q, mean = probabilities(normal(6, 4)), probabilities(normal(1, 4, seed=1))[0]
    log_prior = None if prior is None else (torch.tensor(prior) / 10).log()
    aligned = align(
        torch.tensor(q, dtype=torch.float64).log(),
        torch.tensor(mean, dtype=torch.float64).log(),
        log_prior,
    )
    assert_same(aligned, slow_align(q, mean, prior or [1] * 4))


def test_shares_as_expected_change_nothing():
    log_probs = normal(5, 4).log_softmax(1)
    log_prior = torch.tensor(PRIOR).div(10).log()
    torch.testing.assert_close(align(log_probs, log_prior, log_prior), log_probs)
    torch.testing.assert_close(align(log_probs, torch.full((4,), 0.25).log()), log_probs)
    assert not torch.allclose(align(log_probs, log_prior), log_probs)  # negative control


def test_equal_predictions_become_the_prior():
    aligned = DistributionAlignment(PRIOR)(normal(1, 4).expand(3, 4))
    assert_same(aligned, [[0.1, 0.2, 0.3, 0.4]] * 3)


@pytest.mark.parametrize('momentum', [0.2, 1.0])
def test_the_observed_shares_are_a_running_mean(momentum):
    """Weights (1 - m)^(n - i) over the batches so far."""
    alignment, means = DistributionAlignment(PRIOR, momentum), []
    for step in range(4):
        logits = normal(6, 4, seed=step)
        q = probabilities(logits)
        means.append(slow_mean(q))
        weights = [(1 - momentum) ** (step - i) for i in range(step + 1)]
        mean = [
            sum(w * m[c] for w, m in zip(weights, means, strict=True)) / sum(weights)
            for c in range(4)
        ]
        assert_same(alignment(logits), slow_align(q, mean, PRIOR))


def test_evaluation_mode_leaves_the_running_mean_alone():
    alignment = DistributionAlignment()
    alignment(normal(6, 4))
    before = alignment.running_mean.log_past.clone()
    alignment.eval()(normal(6, 4, seed=1))
    assert torch.equal(alignment.running_mean.log_past, before)
    alignment.train()(normal(6, 4, seed=1))
    assert not torch.equal(alignment.running_mean.log_past, before)  # negative control


def test_a_batch_without_predictions_leaves_the_running_mean_alone():
    alignment, empty = DistributionAlignment(PRIOR), torch.zeros(0, 4, dtype=torch.float16)
    assert alignment(empty).shape == (0, 4) and alignment.running_mean.log_past is None
    alignment(normal(6, 4))
    before = alignment.running_mean.log_past.clone()
    assert alignment(empty).shape == (0, 4)
    assert torch.equal(alignment.running_mean.log_past, before)


def test_the_running_mean_has_no_gradient():
    logits = normal(3, 4).requires_grad_()
    alignment = DistributionAlignment()
    alignment(logits)
    assert not alignment.running_mean.log_past.requires_grad


def test_classes_that_nobody_predicts_stay_finite():
    alignment = DistributionAlignment(PRIOR)
    for dtype in (torch.float32, torch.float64):
        for _ in range(3):
            assert alignment(torch.tensor([[1e4, -1e4, 0, 0]], dtype=dtype)).isfinite().all()


def test_types_are_kept():
    """A running mean in float64, as it is after loading, does not change the predictions' type."""
    alignment = DistributionAlignment(PRIOR)
    alignment(normal(3, 4))
    assert alignment.running_mean.log_past.dtype == torch.float64
    assert alignment(normal(3, 4).float()).dtype == torch.float32


@pytest.mark.parametrize(
    'kwargs, match',
    [
        (dict(momentum=0), 'got 0'),
        (dict(momentum=1.1), 'got 1.1'),
        (dict(prior=[1, -2]), r'classes \[1\] have \[-2\]'),
        (dict(prior='no/such/file'), 'no/such/file'),
    ],
)
def test_bad_settings(kwargs, match):
    with pytest.raises(ValueError, match=match):
        DistributionAlignment(**kwargs)


def test_prior_of_other_length_and_missing_prior():
    with pytest.raises(ValueError, match='prior has 3 classes, cls_score has 4'):
        DistributionAlignment([1, 1, 1])(normal(2, 4))
    with pytest.raises(
        ValueError,
        match=r"DistributionAlignment\(prior='labeled'\) has no class counts.*SemiSupSetupHook",
    ):
        DistributionAlignment('labeled')(normal(2, 4))
    alignment = DistributionAlignment('labeled')
    alignment.set_prior(PRIOR)
    assert_same(alignment(torch.zeros(1, 4)).double(), [[0.1, 0.2, 0.3, 0.4]])


def test_the_state_dict_has_no_entry_and_brings_the_running_mean():
    alignment, other = DistributionAlignment(PRIOR), DistributionAlignment(PRIOR)
    alignment(normal(6, 4))
    state = alignment.state_dict()
    assert not state
    other.load_state_dict(state, strict=True)
    torch.testing.assert_close(
        other(normal(3, 4, seed=1)), alignment(normal(3, 4, seed=1)), rtol=0, atol=0
    )
    assert not torch.allclose(
        DistributionAlignment(PRIOR)(normal(3, 4, seed=1)), alignment(normal(3, 4, seed=1))
    )
