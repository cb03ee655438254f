import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmsemiloc.models import (
    MeanEntropyLoss,
    NegativeBatchEntropyLoss,
    mean_entropy,
    negative_batch_entropy,
)

HALF_AND_SINGLE = [torch.float32, torch.bfloat16, torch.float16]


def softmax(row):
    largest = max(row)
    exps = [math.exp(x - largest) for x in row]
    return [e / sum(exps) for e in exps]


def entropy(q):
    return -sum(p * math.log(p) for p in q if p > 0)


def slow_mel(logits):
    return sum(entropy(softmax(row)) for row in logits) / len(logits)


def slow_nbel(logits, prior=None):
    rows = [softmax(row) for row in logits]
    mean = [sum(column) / len(rows) for column in zip(*rows, strict=True)]
    if prior is None:
        return -entropy(mean)
    return sum(p * math.log(p / d) for p, d in zip(mean, prior, strict=True) if p > 0)


@pytest.mark.parametrize('dtype, tolerance', [(torch.float64, 1e-12), (torch.float32, 1e-5)])
@pytest.mark.parametrize('shape', [(1, 2), (7, 3), (52, 100)])
def test_agrees_with_loops(shape, dtype, tolerance):
    logits = torch.tensor(np.random.default_rng(0).normal(0, 3, shape), dtype=dtype)
    prior = np.random.default_rng(1).uniform(0.1, 1, shape[1])
    prior /= prior.sum()
    rows = logits.tolist()
    assert mean_entropy(logits).item() == pytest.approx(slow_mel(rows), rel=tolerance)
    assert negative_batch_entropy(logits).item() == pytest.approx(slow_nbel(rows), rel=tolerance)
    loss = NegativeBatchEntropyLoss(loss_weight=0.5, prior=prior.tolist())
    assert loss(logits).item() == pytest.approx(0.5 * slow_nbel(rows, prior), rel=tolerance)


@pytest.mark.parametrize('classes', [2, 10, 1000])
def test_uniform_predictions(classes):
    logits = torch.zeros(4, classes, dtype=torch.float64)
    assert mean_entropy(logits).item() == pytest.approx(math.log(classes), abs=1e-12)
    assert negative_batch_entropy(logits).item() == pytest.approx(-math.log(classes), abs=1e-12)


def test_one_hot_predictions_of_distinct_classes():
    logits = 1e4 * torch.eye(10, dtype=torch.float64)[:6]
    assert mean_entropy(logits).item() == 0
    assert negative_batch_entropy(logits).item() == pytest.approx(-math.log(6), abs=1e-12)


def test_prior_equal_to_the_mean_prediction_gives_zero():
    logits = torch.randn(8, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    mean = logits.softmax(1).mean(0)
    assert NegativeBatchEntropyLoss(prior=mean.tolist())(logits).item() == pytest.approx(
        0, abs=1e-12
    )
    assert NegativeBatchEntropyLoss(prior=[1.0] * 5)(logits).item() > 1e-3  # negative control


def test_uniform_prior_differs_by_log_c_only():
    logits = torch.randn(8, 5, dtype=torch.float64)
    with_prior = NegativeBatchEntropyLoss(prior=[3] * 5)(logits)
    assert (with_prior - NegativeBatchEntropyLoss()(logits)).item() == pytest.approx(
        math.log(5), abs=1e-12
    )


@pytest.mark.parametrize(
    'loss',
    [
        MeanEntropyLoss(0.8),
        NegativeBatchEntropyLoss(0.5),
        NegativeBatchEntropyLoss(prior=[1, 2, 3, 4]),
    ],
)
def test_gradcheck(loss):
    logits = torch.randn(5, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(loss, logits)


@pytest.mark.parametrize('dtype', HALF_AND_SINGLE)
@pytest.mark.parametrize(
    'loss',
    [MeanEntropyLoss(), NegativeBatchEntropyLoss(), NegativeBatchEntropyLoss(prior=[1, 2, 3, 4])],
)
def test_extreme_logits_give_finite_gradients(loss, dtype):
    logits = torch.tensor(
        [[1e4, -1e4, -1e4, -1e4], [1e4, -1e4, 0, 1e4]], dtype=dtype, requires_grad=True
    )
    value = loss(logits)
    value.backward()
    assert value.isfinite() and logits.grad.isfinite().all()
    assert value.dtype == torch.float32


def test_naive_formula_is_not_finite_there():
    """Negative control: log of softmax gives NaN where ours does not."""
    logits = torch.tensor([[1e4, -1e4]], requires_grad=True)
    q = logits.softmax(1)
    (q * q.log()).sum().backward()
    assert logits.grad.isnan().any()


def test_half_precision_input_is_computed_in_float32():
    logits = torch.randn(16, 100).half()
    assert mean_entropy(logits) == mean_entropy(logits.float())
    with torch.autocast('cpu', dtype=torch.bfloat16):
        assert negative_batch_entropy(logits.float()) == negative_batch_entropy(logits)


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    batch=st.integers(1, 9),
    classes=st.integers(1, 12),
    shift=st.floats(-50, 50),
)
def test_invariances_and_bounds(seed, batch, classes, shift):
    generator = torch.Generator().manual_seed(seed)
    logits = 4 * torch.randn(batch, classes, dtype=torch.float64, generator=generator)
    images = torch.randperm(batch, generator=generator)
    labels = torch.randperm(classes, generator=generator)
    for function in (mean_entropy, negative_batch_entropy):
        value = function(logits)
        for other in (logits[images], logits[:, labels], logits + shift):
            assert function(other).item() == pytest.approx(value.item(), abs=1e-9)
    mel, nbel = mean_entropy(logits).item(), negative_batch_entropy(logits).item()
    assert -1e-12 <= mel <= math.log(classes) + 1e-12
    assert mel <= -nbel + 1e-12  # concavity: the mean's entropy is at least the mean entropy


@pytest.mark.parametrize(
    'prior, match',
    [
        ('uniform', "'uniform'"),
        ([1, 0, 2], r'classes \[1\] have \[0\]'),
        ([1, float('nan')], r'classes \[1\]'),
        ([1, -1], r'\[-1\]'),
    ],
)
def test_bad_priors(prior, match):
    with pytest.raises(ValueError, match=match):
        NegativeBatchEntropyLoss(prior=prior)


def test_prior_from_a_file(tmp_path):
    file = tmp_path / 'prior.txt'
    file.write_text('1 2\n3\n\n4\n')
    logits = torch.randn(6, 4, dtype=torch.float64)
    assert torch.equal(
        NegativeBatchEntropyLoss(prior=str(file))(logits),
        NegativeBatchEntropyLoss(prior=[1, 2, 3, 4])(logits),
    )
    file.write_text('1\n2 cats\n')
    with pytest.raises(ValueError, match="prior.txt, line 2: .*'cats'"):
        NegativeBatchEntropyLoss(prior=str(file))


def test_prior_of_other_length_and_missing_prior():
    with pytest.raises(ValueError, match='prior has 3 classes, cls_score has 4'):
        NegativeBatchEntropyLoss(prior=[1, 1, 1])(torch.zeros(2, 4))
    with pytest.raises(ValueError, match='SemiSupSetupHook'):
        NegativeBatchEntropyLoss(prior='labeled')(torch.zeros(2, 4))


@pytest.mark.parametrize('shape', [(4,), (0, 3), (2, 3, 4)])
def test_bad_shapes(shape):
    with pytest.raises(ValueError, match=str(shape)[1:-1].rstrip(',')):
        MeanEntropyLoss()(torch.zeros(shape))


def slow_alpha(logits, alpha, prior=None):
    """Mean entropy of order alpha, and negative entropy or divergence of the mean, by loops."""
    rows = [softmax(row) for row in logits]
    mean = [sum(column) / len(rows) for column in zip(*rows, strict=True)]
    mel = sum((1 - sum(p**alpha for p in row)) / (alpha - 1) for row in rows) / len(rows)
    ratios = prior or [1] * len(mean)
    powers = sum(p**alpha * d ** (1 - alpha) for p, d in zip(mean, ratios, strict=True))
    return mel, (powers - 1) / (alpha - 1)


ALPHAS = [1.5, 2.0, 7.0]


@pytest.mark.parametrize('prior', [None, [0.1, 0.2, 0.3, 0.4]], ids=['none', 'prior'])
@pytest.mark.parametrize('alpha', ALPHAS)
def test_entropies_of_order_alpha_agree_with_loops(alpha, prior):
    logits = torch.tensor(np.random.default_rng(0).normal(0, 2, (7, 4)))
    mel, nbel = slow_alpha(logits.tolist(), alpha, prior)
    assert mean_entropy(logits, alpha).item() == pytest.approx(mel, rel=1e-10)
    loss = NegativeBatchEntropyLoss(prior=prior, divergence_alpha=alpha)
    assert loss(logits).item() == pytest.approx(nbel, rel=1e-10)


@pytest.mark.parametrize('prior', [None, [1, 2, 3, 4]], ids=['none', 'prior'])
def test_order_1_is_the_limit_and_the_default(prior):
    logits = torch.randn(7, 4, dtype=torch.float64, requires_grad=True)

    def of(**alpha):
        losses = (
            MeanEntropyLoss(**alpha)(logits),
            NegativeBatchEntropyLoss(prior=prior, **alpha)(logits),
        )
        return [(loss, *torch.autograd.grad(loss, logits, retain_graph=True)) for loss in losses]

    near, default, one = of(divergence_alpha=1 + 1e-7), of(), of(divergence_alpha=1)
    for values in zip(near, default, one, strict=True):
        for close, expected, same in zip(*values, strict=True):
            torch.testing.assert_close(close, expected, rtol=0, atol=1e-6)
            assert torch.equal(expected, same)
    assert abs(of(divergence_alpha=2)[0][0] - default[0][0]) > 0.1  # negative control


@pytest.mark.parametrize('alpha', ALPHAS)
@pytest.mark.parametrize('prior', [None, [1, 2, 3, 4]], ids=['none', 'prior'])
def test_gradcheck_of_order_alpha(prior, alpha):
    logits = torch.randn(5, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(MeanEntropyLoss(0.8, divergence_alpha=alpha), logits)
    nbel = NegativeBatchEntropyLoss(0.5, prior, divergence_alpha=alpha)
    assert torch.autograd.gradcheck(nbel, logits)


@pytest.mark.parametrize('alpha', ALPHAS)
@pytest.mark.parametrize('classes', [2, 10])
def test_bounds_of_order_alpha(classes, alpha):
    largest = (1 - classes ** (1 - alpha)) / (alpha - 1)
    even, certain = torch.zeros(4, classes).double(), 1e4 * torch.eye(classes).double()
    assert mean_entropy(even, alpha).item() == pytest.approx(largest)
    assert mean_entropy(certain, alpha).item() == pytest.approx(0, abs=1e-12)
    for logits in (even, certain):
        assert negative_batch_entropy(logits, alpha=alpha).item() == pytest.approx(-largest)
    # The divergence from the mean itself is 0.
    log_mean = torch.randn(classes).double().log_softmax(0)
    assert negative_batch_entropy(log_mean[None], log_mean, alpha=alpha).item() == pytest.approx(
        0, abs=1e-12
    )


@pytest.mark.parametrize('dtype', HALF_AND_SINGLE)
def test_extreme_logits_give_finite_gradients_of_order_alpha(dtype):
    for loss in (MeanEntropyLoss, NegativeBatchEntropyLoss):
        logits = torch.tensor([[1e4, -1e4, 0], [1e4, -1e4, 1e4]], dtype=dtype, requires_grad=True)
        value = loss(divergence_alpha=2)(logits)
        value.backward()
        assert value.isfinite() and logits.grad.isfinite().all()


@pytest.mark.parametrize('loss', [MeanEntropyLoss, NegativeBatchEntropyLoss])
@pytest.mark.parametrize('alpha', [0.5, -1, math.nan, True, '2'])
def test_bad_orders(loss, alpha):
    with pytest.raises(ValueError, match='divergence_alpha must be a finite number of at least 1'):
        loss(divergence_alpha=alpha)


def test_prior_does_not_change_the_checkpoint():
    assert not NegativeBatchEntropyLoss(prior=[1, 2]).state_dict()
