import math

import pytest
import torch

from mmsemiloc.models import PseudoLabelLoss
from mmsemiloc.models.losses.pseudo_label import (
    check_threshold,
    confident_labels,
    cross_entropy_of_confident,
)
from tests.conftest import make_predictions, term_values
from tests.models.reference import normal, probabilities, views_of_images

NUMBERS, LABELED = [1, 2, 3, 2, 1], [True, False, False, True, False]
THRESHOLDS = [0, 0.5, 0.7, 1]


def slow_loss(logits, targets, threshold, views='all'):
    """Loss and share (%) of the views of unlabelled images, view by view."""
    q, target = probabilities(logits), probabilities(targets)
    losses = []
    for places, labeled in zip(views_of_images(NUMBERS), LABELED, strict=True):
        for place in dict(all=places, weak=places[:1], strong=places[1:])[views]:
            if not labeled:
                best = max(range(4), key=lambda c, row=target[place]: row[c])
                losses.append(
                    -math.log(q[place][best]) if target[place][best] > threshold else None
                )
    counted = [loss for loss in losses if loss is not None]
    return sum(counted) / len(losses), 100 * len(counted) / len(losses)


@pytest.mark.parametrize('views', ['all', 'weak', 'strong'])
@pytest.mark.parametrize('threshold', THRESHOLDS)
@pytest.mark.parametrize('teacher', [False, True], ids=['itself', 'teacher'])
def test_agrees_with_a_loop_over_images(threshold, views, teacher):
    logits = normal(9, 4)
    targets = normal(9, 4, seed=1) if teacher else logits
    term = term_values(
        PseudoLabelLoss(0.7, threshold, views), make_predictions(logits, NUMBERS, LABELED, targets)
    )
    loss, share = slow_loss(logits, targets, threshold, views)
    assert set(term) == {'loss_pseudo_label', 'pseudo_labeled'}
    assert term['loss_pseudo_label'].item() == pytest.approx(0.7 * loss, rel=1e-12)
    assert term['pseudo_labeled'].item() == pytest.approx(share, rel=1e-6)


def test_thresholds_0_and_1_take_all_and_none():
    """Also uniform predictions, and those whose probability is rounded to 1."""
    logits = torch.tensor([[0.0] * 4, [1e4, 0, 0, 0], [100, 0, 0, 0], [0.1, 0, 0, 0]])
    for dtype in (torch.float16, torch.float32, torch.float64):
        log_probs = logits.to(dtype).log_softmax(1)
        assert confident_labels(log_probs, 0)[1].all()
        assert not confident_labels(log_probs, 1)[1].any()
    assert logits.softmax(1)[1:3, 0].tolist() == [1, 1]


def test_the_threshold_itself_is_not_above_it():
    log_probs = torch.tensor([[0.5, 0.5], [0.75, 0.25]], dtype=torch.float64).log()
    assert confident_labels(log_probs, 0.5)[1].tolist() == [False, True]


def test_without_confident_images_loss_and_gradient_are_exactly_zero():
    logits = normal(4, 3).requires_grad_()
    term = term_values(PseudoLabelLoss(threshold=1), make_predictions(logits, [1] * 4))
    term['loss_pseudo_label'].backward()
    assert term['loss_pseudo_label'] == term['pseudo_labeled'] == 0
    assert torch.equal(logits.grad, torch.zeros_like(logits))
    assert cross_entropy_of_confident(logits[:0], torch.zeros(0).long(), torch.zeros(0).bool()) == 0


def test_gradient_is_that_of_cross_entropy_with_a_constant_label():
    logits = normal(6, 4).requires_grad_()
    term_values(PseudoLabelLoss(threshold=0.6), make_predictions(logits, [1] * 6))[
        'loss_pseudo_label'
    ].backward()
    q = torch.tensor(probabilities(logits), dtype=torch.float64)
    confident = q.amax(1, keepdim=True) > 0.6
    one_hot = torch.nn.functional.one_hot(q.argmax(1), 4)
    assert 0 < confident.sum() < 6
    torch.testing.assert_close(logits.grad, confident * (q - one_hot) / 6)


def test_gradcheck():
    label, confident = torch.tensor([0, 2, 1]), torch.tensor([True, False, True])
    assert torch.autograd.gradcheck(
        lambda x: cross_entropy_of_confident(x, label, confident), normal(3, 4).requires_grad_()
    )


def test_labelled_images_are_left_out():
    logits = normal(3, 4).requires_grad_()
    term_values(
        PseudoLabelLoss(threshold=0), make_predictions(logits, [1] * 3, [True, False, True])
    )['loss_pseudo_label'].backward()
    assert logits.grad.abs().sum(1).gt(0).tolist() == [False, True, False]


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float32])
def test_extreme_predictions_have_finite_gradients(dtype):
    logits = torch.tensor(
        [[6e4, -6e4, 0], [-6e4, 6e4, 6e4], [0, 0, 0]], dtype=dtype, requires_grad=True
    )
    for targets in (None, logits.detach().flip(1)):
        loss = term_values(
            PseudoLabelLoss(threshold=0.3), make_predictions(logits, [1] * 3, targets=targets)
        )['loss_pseudo_label']
        loss.backward()
        assert loss.isfinite() and loss.dtype == torch.float32 and logits.grad.isfinite().all()


def test_half_precision_logits_are_compared_with_the_threshold_in_float32():
    """The threshold is that close to the probability that rounding it to bfloat16 would cross it
    one way or the other.
    """
    for gap in (-1e-5, 1e-5):
        for value in (2.875, 2.953125, 3.03125):
            logits = torch.tensor([[value, 0.0]], dtype=torch.bfloat16)
            threshold = probabilities(logits)[0][0] + gap
            share = term_values(
                PseudoLabelLoss(threshold=threshold), make_predictions(logits, [1])
            )['pseudo_labeled']
            assert share.item() == (100 if gap < 0 else 0)


@pytest.mark.parametrize('threshold', [-0.1, 1.1, math.nan])
def test_bad_thresholds(threshold):
    with pytest.raises(
        ValueError, match=f'threshold must be a finite number between 0 and 1, got {threshold}'
    ):
        PseudoLabelLoss(threshold=threshold)
    assert check_threshold(0) == 0 and check_threshold(1) == 1


def test_bad_views():
    with pytest.raises(ValueError, match="got 'both'"):
        PseudoLabelLoss(views='both')


def test_a_batch_of_labelled_images_is_an_error():
    with pytest.raises(ValueError, match='unlabelled images'):
        term_values(PseudoLabelLoss(), make_predictions(normal(2, 3), [1, 1], [True, True]))
