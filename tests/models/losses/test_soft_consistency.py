import math

import pytest
import torch

from mmsemiloc.models import SoftConsistencyLoss
from mmsemiloc.models.losses.soft_consistency import DISTANCES
from tests.conftest import batch_with_pairs, make_predictions, term_values
from tests.models.reference import normal, probabilities, views_of_images

NUMBERS, LABELED = [1, 2, 3, 2, 1], [True, False, False, True, False]
STRONG = [place for places in views_of_images(NUMBERS) for place in places[1:]]


def slow_loss(logits, targets, distance, temperature):
    """Mean over the strong views, image by image and class by class."""
    q, target = probabilities(logits), probabilities(targets / temperature)
    total = 0
    for places in views_of_images(NUMBERS):
        weak = target[places[0]]
        for strong in places[1:]:
            for p, r in zip(weak, q[strong], strict=True):
                total += p * math.log(p / r) if distance == 'kl' else (p - r) ** 2
    return total / len(STRONG)


def consistency(logits, targets=None, numbers=NUMBERS, **kwargs):
    labeled = LABELED if numbers is NUMBERS else None
    return term_values(
        SoftConsistencyLoss(**kwargs), make_predictions(logits, numbers, labeled, targets)
    )['loss_consistency']


@pytest.mark.parametrize('teacher', [False, True], ids=['itself', 'teacher'])
@pytest.mark.parametrize('temperature', [0.4, 1, 2])
@pytest.mark.parametrize('distance', DISTANCES)
def test_agrees_with_a_loop_over_images(distance, temperature, teacher):
    logits = normal(9, 4)
    targets = normal(9, 4, seed=1) if teacher else logits
    loss = consistency(logits, targets, loss_weight=0.7, distance=distance, temperature=temperature)
    assert loss.item() == pytest.approx(
        0.7 * slow_loss(logits, targets, distance, temperature), rel=1e-12
    )


@pytest.mark.parametrize('distance', DISTANCES)
def test_identical_views_give_zero_unless_the_target_is_sharpened(distance):
    logits = normal(5, 4)
    same = torch.cat([logits, logits])
    assert abs(consistency(same, numbers=[2] * 5, distance=distance).item()) < 1e-15
    assert (
        consistency(same, numbers=[2] * 5, distance=distance, temperature=0.5) > 1e-3
    )  # negative controls
    assert consistency(torch.cat([logits, -logits]), numbers=[2] * 5, distance=distance) > 1e-3


def test_limits_of_the_temperature():
    """To 0 the target is the most probable class, and KL its cross-entropy; to infinity it is
    uniform.
    """
    logits = normal(9, 4)
    weak = [places[0] for places in views_of_images(NUMBERS) for _ in places[1:]]
    label = logits[weak].argmax(1)
    torch.testing.assert_close(
        consistency(logits, temperature=1e-4),
        torch.nn.functional.cross_entropy(logits[STRONG], label),
    )
    uniform = torch.full((len(STRONG), 4), 0.25, dtype=torch.float64)
    expected = (uniform - logits[STRONG].softmax(1)).square().sum(1).mean()
    torch.testing.assert_close(consistency(logits, distance='mse', temperature=math.inf), expected)


def test_range_of_the_squared_difference():
    logits = 100 * torch.eye(2, dtype=torch.float64)
    assert consistency(logits, numbers=[2], distance='mse').item() == pytest.approx(2)


@pytest.mark.parametrize('distance', DISTANCES)
def test_gradient_goes_through_the_strong_views_alone(distance):
    logits, targets = normal(9, 4).requires_grad_(), normal(9, 4, seed=1).requires_grad_()
    for given in (None, targets):
        logits.grad = None
        consistency(logits, given, distance=distance).backward()
        assert logits.grad.abs().sum(1).nonzero().flatten().tolist() == sorted(STRONG)
        assert targets.grad is None


def test_gradient_of_kl_is_that_of_cross_entropy():
    logits = normal(4, 3).requires_grad_()
    consistency(logits, numbers=[2, 2], temperature=0.5).backward()
    q, target = logits.detach()[2:].softmax(1), (logits.detach()[:2] / 0.5).softmax(1)
    torch.testing.assert_close(logits.grad[2:], (q - target) / 2)


@pytest.mark.parametrize('distance', DISTANCES)
def test_gradcheck_with_a_constant_target(distance):
    targets = normal(9, 4, seed=1)
    assert torch.autograd.gradcheck(
        lambda x: consistency(x, targets, distance=distance), normal(9, 4).requires_grad_()
    )


@pytest.mark.parametrize('alignment', [None, dict(prior=[1, 2, 3])])
@pytest.mark.parametrize('distance', DISTANCES)
@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float32])
def test_extreme_predictions_have_finite_gradients(dtype, distance, alignment):
    logits = torch.tensor(
        [[6e4, -6e4, 0], [0, 0, 0], [-6e4, 6e4, 6e4], [6e4, 0, -6e4]],
        dtype=dtype,
        requires_grad=True,
    )
    for temperature in (0.1, 1):
        loss = consistency(
            logits, numbers=[2, 2], distance=distance, temperature=temperature, alignment=alignment
        )
        loss.backward()
        assert loss.isfinite() and loss.dtype == torch.float32 and logits.grad.isfinite().all()


@pytest.mark.parametrize('distance', DISTANCES)
def test_a_micro_batch_without_pairs_gives_exactly_zero(distance):
    logits = normal(2, 3).requires_grad_()
    part = make_predictions(logits, [1, 1])
    batch = batch_with_pairs(2, 2, 2)
    loss = term_values(SoftConsistencyLoss(distance=distance, alignment={}), part, batch)[
        'loss_consistency'
    ]
    loss.backward()
    assert loss == 0 and torch.equal(logits.grad, torch.zeros_like(logits))


def test_alignment_comes_before_sharpening():
    weak = torch.tensor([[0.8, 0.2], [0.6, 0.4]], dtype=torch.float64)
    aligned = weak * torch.tensor([0.5, 0.5]) / weak.mean(0)
    sharp = (aligned / aligned.sum(1, keepdim=True)).square()
    sharp = sharp / sharp.sum(1, keepdim=True)
    strong = normal(2, 2)
    expected = (sharp - strong.softmax(1)).square().sum(1).mean()
    loss = consistency(
        torch.cat([weak.log(), strong]),
        numbers=[2, 2],
        distance='mse',
        temperature=0.5,
        alignment={},
    )
    torch.testing.assert_close(loss, expected)


@pytest.mark.parametrize(
    'kwargs, match',
    [
        (dict(distance='l1'), r"one of \('kl', 'mse'\), got 'l1'"),
        (dict(temperature=0), 'above 0, got 0'),
        (dict(temperature=-1), 'got -1'),
        (dict(temperature=math.nan), 'got nan'),
        (dict(alignment=dict(momentum=2)), 'got 2'),
    ],
)
def test_bad_settings(kwargs, match):
    with pytest.raises(ValueError, match=match):
        SoftConsistencyLoss(**kwargs)


def test_images_in_one_view_each_are_an_error():
    with pytest.raises(ValueError, match='reads strong views, but the batch has none.*MultiView'):
        consistency(normal(3, 4), numbers=[1] * 3)
