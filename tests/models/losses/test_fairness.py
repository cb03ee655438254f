import math

import numpy as np
import pytest
import torch

from mmsemiloc.few_labels.solver import Solver, train_heads
from mmsemiloc.few_labels.whole_set_loss import Method
from mmsemiloc.models import SelfAdaptiveFairnessLoss, self_adaptive_fairness
from tests.conftest import batch_with_pairs, make_predictions, term_values
from tests.models.reference import normal, views_of_images

NUMBERS = [1, 2, 3, 2, 1, 2, 2, 2, 2]
LABELED = [True, False, False, True, False, False, False, False, False]
VIEWS = sum(NUMBERS)
PAIRS = [
    (places[0], strong) for places in views_of_images(NUMBERS) for strong in places[1:]
]  # (weak, strong)


def softmax(z):
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def divide(a, b):
    """SumNorm of a / b, where an empty class of b has 0."""
    ratio = np.array([x / y if y else 0.0 for x, y in zip(a, b, strict=True)])
    return ratio / ratio.sum()


class SlowFairness:
    """The published formula in NumPy, with sums over the batches so far instead of a mean."""

    def __init__(self, threshold, momentum):
        self.threshold, self.keep, self.means, self.histograms = threshold, 1 - momentum, [], []

    def __call__(self, weak, strong):
        weak, strong = softmax(weak), softmax(strong)
        classes = weak.shape[1]
        self.means.append(weak.mean(0))
        self.histograms.append(np.bincount(weak.argmax(1), minlength=classes) / len(weak))
        running = [
            sum(self.keep ** (len(past) - 1 - i) * p for i, p in enumerate(past))
            for past in (self.means, self.histograms)
        ]

        chosen = strong[weak.max(1) > self.threshold]
        if not len(chosen):
            return 0.0
        histogram = np.bincount(chosen.argmax(1), minlength=classes) / len(chosen)
        expected = divide(running[0] / running[0].sum(), running[1] / running[1].sum())
        observed = divide(chosen.mean(0), histogram)
        return sum(a * math.log(b) for a, b in zip(expected, observed, strict=True) if b)


def fairness(term, logits, targets=None):
    return term_values(term, make_predictions(logits, NUMBERS, LABELED, targets))['loss_fairness']


@pytest.mark.parametrize('teacher', [False, True], ids=['itself', 'teacher'])
@pytest.mark.parametrize('threshold', [0, 0.6, 0.8, 1])
def test_agrees_with_numpy_over_several_steps(threshold, teacher):
    term = SelfAdaptiveFairnessLoss(0.7, threshold, momentum=0.3)
    slow = SlowFairness(threshold, 0.3)
    weak, strong = (list(places) for places in zip(*PAIRS, strict=True))
    seen = []
    for step in range(4):
        logits = normal(VIEWS, 4, seed=step)
        targets = normal(VIEWS, 4, seed=10 + step) if teacher else logits
        expected = 0.7 * slow(targets[weak].numpy(), logits[strong].numpy())
        seen.append(fairness(term, logits, targets).item())
        assert seen[-1] == pytest.approx(expected, rel=1e-12)
    assert (min(seen) < -0.1) == (threshold < 1)


def test_the_comparison_would_see_another_momentum():
    term, slow = SelfAdaptiveFairnessLoss(1, 0, momentum=0.31), SlowFairness(0, 0.3)
    weak, strong = (list(places) for places in zip(*PAIRS, strict=True))
    for step in range(2):
        logits = normal(VIEWS, 4, seed=step)
        expected = slow(logits[weak].numpy(), logits[strong].numpy())
        loss = fairness(term, logits).item()
    assert abs(loss - expected) > 1e-6


def test_equal_shares_and_equal_predictions_have_the_entropy_of_uniform():
    """Confident views, as many of each class: both distributions are uniform."""
    views = 30 * torch.eye(4, dtype=torch.float64)
    term = SelfAdaptiveFairnessLoss(1, threshold=0.9)
    loss = term_values(term, make_predictions(torch.cat([views, views]), [2] * 4))['loss_fairness']
    assert loss.item() == pytest.approx(-math.log(4))


def test_no_confident_image_gives_exactly_zero():
    logits = normal(VIEWS, 4).requires_grad_()
    loss = fairness(SelfAdaptiveFairnessLoss(1, threshold=1), logits)
    loss.backward()
    assert loss == 0 and torch.equal(logits.grad, torch.zeros_like(logits))

    fairness(SelfAdaptiveFairnessLoss(1, threshold=0), logits).backward()
    assert logits.grad.any()  # negative control


def test_gradient_goes_through_the_strong_views_of_confident_images_alone():
    logits, targets = normal(VIEWS, 4).requires_grad_(), normal(VIEWS, 4, seed=1).requires_grad_()
    fairness(SelfAdaptiveFairnessLoss(1, threshold=0.6), logits, targets).backward()
    confident = targets.softmax(1).amax(1) > 0.6
    chosen = [strong for weak, strong in PAIRS if confident[weak]]
    assert 0 < len(chosen) < len(PAIRS)
    assert logits.grad.abs().sum(1).nonzero().flatten().tolist() == sorted(chosen)
    assert targets.grad is None


def test_gradcheck_with_a_constant_target():
    targets = normal(VIEWS, 4, seed=1)

    def loss(logits):
        return fairness(SelfAdaptiveFairnessLoss(1, threshold=0.5), logits, targets)

    assert torch.autograd.gradcheck(loss, normal(VIEWS, 4).requires_grad_())


def test_a_micro_batch_without_pairs_gives_zero_and_leaves_the_running_means_alone():
    logits = normal(2, 3).requires_grad_()
    term = SelfAdaptiveFairnessLoss(1, threshold=0)
    part = make_predictions(logits, [1, 1])
    for known in (False, True):
        loss = term_values(term, part, batch_with_pairs(2, 1, 1))['loss_fairness']
        loss.backward()
        assert loss == 0 and torch.equal(logits.grad, torch.zeros_like(logits))
        if not known:
            assert term.running_mean.log_past is None and term.running_histogram.log_past is None
            term_values(term, make_predictions(normal(6, 3), [2] * 3))
            before = term.running_histogram.log_past
        else:
            assert torch.equal(term.running_histogram.log_past, before)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float32])
def test_extreme_predictions_have_finite_gradients(dtype):
    logits = torch.tensor(
        [[6e4, -6e4, 0], [0, 0, 0], [-6e4, 6e4, 6e4], [6e4, 0, -6e4]],
        dtype=dtype,
        requires_grad=True,
    )
    term = SelfAdaptiveFairnessLoss(1, threshold=0)
    for _ in range(3):
        loss = term_values(term, make_predictions(logits, [2, 2]))['loss_fairness']
        loss.backward()
        assert loss.isfinite() and loss.dtype == torch.float32 and logits.grad.isfinite().all()


def test_the_value_is_bounded():
    """From -log(C T) to 0, though the cross-entropy has a minus."""
    for seed in range(20):
        logits = normal(12, 4, seed=seed, scale=6.0)
        log_mean, histogram = normal(1, 4, seed=seed + 50)[0].log_softmax(0), [0.5, 0, 0.25, 0.25]
        loss = self_adaptive_fairness(
            logits, torch.ones(12, dtype=torch.bool), log_mean, torch.tensor(histogram).log()
        )
        assert -math.log(4 * 12) <= loss <= 0


@pytest.mark.parametrize('threshold', [0.4, 1])
def test_classifiers_side_by_side_do_not_depend_on_each_other(threshold):
    """Under torch.vmap, as mmsemiloc.fit trains them; each has its own running means."""
    features = normal(2, 20, 5, scale=1.0)
    labeled = torch.tensor([[0, 1, 2, 3], [4, 5, 6, 7]])
    term = dict(type='mmsemiloc.SelfAdaptiveFairnessLoss', loss_weight=0.5, threshold=threshold)
    method, solver = Method(dict(fairness=term), views=True), Solver(steps=5, lr=0.05, scale=3.0)

    both = train_heads(features, labeled, labeled % 3, 3, method, solver)
    for place in (0, 1):
        one = slice(place, place + 1)
        alone = train_heads(features, labeled[one], labeled[one] % 3, 3, method, solver)
        torch.testing.assert_close(alone.weight[0], both.weight[place])

    plain = train_heads(features, labeled, labeled % 3, 3, Method(views=True), solver)
    assert torch.equal(plain.weight, both.weight) == (threshold == 1)  # negative control


def test_the_running_means_are_saved_without_an_entry():
    term, other = SelfAdaptiveFairnessLoss(1, 0), SelfAdaptiveFairnessLoss(1, 0)
    fairness(term, normal(VIEWS, 4))
    state = term.state_dict()
    assert not state
    other.load_state_dict(state, strict=True)
    logits = normal(VIEWS, 4, seed=1)
    torch.testing.assert_close(fairness(other, logits), fairness(term, logits), rtol=0, atol=0)
    assert fairness(SelfAdaptiveFairnessLoss(1, 0), logits) != fairness(term, logits)


@pytest.mark.parametrize(
    'kwargs, match',
    [
        (dict(threshold=1.5), 'threshold must be .*between 0 and 1, got 1.5'),
        (dict(threshold=math.nan), 'got nan'),
        (dict(momentum=0), 'momentum.*got 0'),
        (dict(momentum=1.1), 'momentum.*got 1.1'),
    ],
)
def test_bad_settings(kwargs, match):
    with pytest.raises(ValueError, match=match):
        SelfAdaptiveFairnessLoss(**kwargs)


def test_images_in_one_view_each_are_an_error():
    with pytest.raises(ValueError, match='reads strong views, but the batch has none.*MultiView'):
        term_values(SelfAdaptiveFairnessLoss(), make_predictions(normal(3, 4), [1] * 3))
