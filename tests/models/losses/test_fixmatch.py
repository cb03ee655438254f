import math

import pytest
import torch

from mmsemiloc.models import FixMatchLoss
from tests.conftest import batch_with_pairs, make_predictions, term_values
from tests.models.reference import normal, probabilities, views_of_images

NUMBERS, LABELED = [1, 2, 3, 2, 1], [True, False, False, True, False]
PAIRS = 4  # strong views


def slow_loss(logits, targets, threshold):
    """Loss and share (%) of the strong views, image by image."""
    q, target = probabilities(logits), probabilities(targets)
    loss = count = 0
    for places in views_of_images(NUMBERS):
        weak = target[places[0]]
        label = weak.index(max(weak))
        for strong in places[1:]:
            if max(weak) > threshold:
                loss, count = loss - math.log(q[strong][label]) / PAIRS, count + 1
    return loss, 100 * count / PAIRS


@pytest.mark.parametrize('teacher', [False, True], ids=['itself', 'teacher'])
@pytest.mark.parametrize('threshold', [0, 0.6, 0.8, 1])
def test_agrees_with_a_loop_over_images(threshold, teacher):
    logits = normal(9, 4)
    targets = normal(9, 4, seed=1) if teacher else logits
    term = term_values(
        FixMatchLoss(0.7, threshold), make_predictions(logits, NUMBERS, LABELED, targets)
    )
    loss, share = slow_loss(logits, targets, threshold)
    assert set(term) == {'loss_fixmatch', 'pseudo_labeled'}
    assert term['loss_fixmatch'].item() == pytest.approx(0.7 * loss, rel=1e-12)
    assert term['pseudo_labeled'].item() == pytest.approx(share, rel=1e-6)
    assert share == {0: 100, 1: 0}.get(threshold, share)


def test_a_probability_that_is_rounded_to_1_is_not_above_1():
    logits = torch.tensor([[1e4, 0.0], [0.0, 0.0]])
    assert logits[0].softmax(0)[0] == 1
    assert (
        term_values(FixMatchLoss(threshold=1), make_predictions(logits, [2]))['pseudo_labeled'] == 0
    )
    assert (
        term_values(FixMatchLoss(threshold=0.999), make_predictions(logits, [2]))['pseudo_labeled']
        == 100
    )  # negative control


def test_identical_views_are_pseudo_labelled_by_themselves():
    """The loss of a confident image is -log of its own probability, which goes to 0."""
    for scale, largest in ((1, 1.0), (25, 1e-9)):
        logits = scale * torch.eye(4, dtype=torch.float64)
        loss = term_values(
            FixMatchLoss(threshold=0), make_predictions(torch.cat([logits, logits]), [2] * 4)
        )['loss_fixmatch']
        assert 0 < loss < largest
        torch.testing.assert_close(loss, -logits.log_softmax(1)[0, 0])


def test_gradient_goes_through_the_strong_views_alone():
    logits, targets = normal(9, 4).requires_grad_(), normal(9, 4, seed=1).requires_grad_()
    for given in (None, targets):
        logits.grad = None
        term_values(FixMatchLoss(threshold=0), make_predictions(logits, NUMBERS, LABELED, given))[
            'loss_fixmatch'
        ].backward()
        strong = [place for places in views_of_images(NUMBERS) for place in places[1:]]
        assert logits.grad.abs().sum(1).nonzero().flatten().tolist() == sorted(strong)
        assert targets.grad is None


def test_gradcheck_with_a_constant_target():
    targets = normal(9, 4, seed=1)

    def loss(logits):
        return term_values(
            FixMatchLoss(threshold=0.5), make_predictions(logits, NUMBERS, LABELED, targets)
        )['loss_fixmatch']

    assert torch.autograd.gradcheck(loss, normal(9, 4).requires_grad_())


def test_a_micro_batch_without_pairs_gives_exactly_zero():
    logits = normal(2, 3).requires_grad_()
    part = make_predictions(logits, [1, 1])
    term = term_values(FixMatchLoss(threshold=0, alignment={}), part, batch_with_pairs(2, 1, 1))
    term['loss_fixmatch'].backward()
    assert term['loss_fixmatch'] == term['pseudo_labeled'] == 0
    assert torch.equal(logits.grad, torch.zeros_like(logits))


def test_images_in_one_view_each_are_an_error():
    with pytest.raises(ValueError, match='reads strong views, but the batch has none.*MultiView'):
        term_values(FixMatchLoss(), make_predictions(normal(3, 4), [1] * 3))


def test_alignment_moves_the_labels():
    """All weak views predict class 0, though it is expected in 1 % of the images."""
    logits = torch.tensor(
        [[1.0, 0.9], [1.1, 0.9], [0, 0], [0, 0]], dtype=torch.float64
    ).requires_grad_()
    for alignment, labels in ((None, [0, 0]), (dict(prior=[1, 99]), [1, 1])):
        logits.grad = None
        term_values(
            FixMatchLoss(threshold=0, alignment=alignment), make_predictions(logits, [2, 2])
        )['loss_fixmatch'].backward()
        assert logits.grad[2:].argmin(1).tolist() == labels
        assert not logits.grad[:2].any()


@pytest.mark.parametrize('alignment', [None, dict(prior=[1, 2, 3])])
@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float32])
def test_extreme_predictions_have_finite_gradients(dtype, alignment):
    logits = torch.tensor(
        [[6e4, -6e4, 0], [0, 0, 0], [-6e4, 6e4, 6e4], [6e4, 0, -6e4]],
        dtype=dtype,
        requires_grad=True,
    )
    loss = term_values(
        FixMatchLoss(threshold=0, alignment=alignment), make_predictions(logits, [2, 2])
    )['loss_fixmatch']
    loss.backward()
    assert loss.isfinite() and loss.dtype == torch.float32 and logits.grad.isfinite().all()


@pytest.mark.parametrize(
    'kwargs, match',
    [
        (dict(threshold=1.5), 'between 0 and 1, got 1.5'),
        (dict(threshold=-1), 'got -1'),
        (dict(alignment=dict(momentum=0)), 'got 0'),
        (dict(alignment=dict(prior=[1, 0])), r'classes \[1\] have \[0\]'),
    ],
)
def test_bad_settings(kwargs, match):
    with pytest.raises(ValueError, match=match):
        FixMatchLoss(**kwargs)
