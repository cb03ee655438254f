import pytest
import torch

from mmsemiloc.models import TransformConsistencyLoss, transform_consistency
from tests.conftest import batch_with_pairs, make_predictions, term_values
from tests.models.reference import normal, probabilities, views_of_images

NUMBERS = [1, 2, 3, 2, 1]


def slow_loss(logits, numbers):
    """Equation (1) of the paper, pair by pair; each image's mean over its pairs weighs V - 1."""
    q, total, weights = probabilities(logits), 0, 0
    for places in views_of_images(numbers):
        pairs = [(i, j) for i in places for j in places if i < j]
        squares = [(a - b) ** 2 for i, j in pairs for a, b in zip(q[i], q[j], strict=True)]
        if pairs:
            total += (len(places) - 1) * sum(squares) / len(pairs)
            weights += len(places) - 1
    return total / weights if weights else 0.0


@pytest.mark.parametrize('numbers', [NUMBERS, [2, 2, 2], [5, 5], [1, 1, 4], [16, 3]], ids=str)
def test_agrees_with_a_loop_over_pairs(numbers):
    logits = normal(sum(numbers), 4)
    term = term_values(TransformConsistencyLoss(0.7), make_predictions(logits, numbers))
    assert set(term) == {'loss_transform'}
    assert term['loss_transform'].item() == pytest.approx(
        0.7 * slow_loss(logits, numbers), rel=1e-12
    )


def test_identical_views_give_zero():
    logits = normal(4, 5)
    assert transform_consistency(torch.cat([logits, logits]), torch.tensor([0, 1, 2, 3] * 2)) == 0
    assert transform_consistency(torch.cat([logits] * 3), torch.tensor([0, 1, 2, 3] * 3)) < 1e-15
    assert (
        transform_consistency(torch.cat([logits, -logits]), torch.tensor([0, 1, 2, 3] * 2)) > 1e-3
    )  # negative control


def test_opposite_views_give_2():
    logits = 100 * torch.eye(2)
    assert transform_consistency(logits, torch.tensor([0, 0])) == pytest.approx(2)


def test_only_views_of_one_image_are_compared():
    logits = 100 * torch.eye(2)
    assert transform_consistency(logits, torch.tensor([0, 1])) == 0


def test_the_order_of_images_does_not_matter():
    logits, order = normal(9, 4), torch.tensor([4, 0, 8, 2, 6, 1, 7, 3, 5])
    image = torch.tensor([0, 1, 2, 3, 4, 1, 2, 3, 2])
    torch.testing.assert_close(
        transform_consistency(logits[order], image[order]), transform_consistency(logits, image)
    )
    torch.testing.assert_close(
        transform_consistency(logits, image + 7), transform_consistency(logits, image)
    )


def test_gradient_goes_through_all_views_of_images_in_several():
    """Also of labelled images, and through the weak view: unlike FixMatch, no view is the target of
    another.
    """
    logits = normal(9, 4).requires_grad_()
    predictions = make_predictions(logits, NUMBERS, [True, False, False, True, False])
    term_values(TransformConsistencyLoss(), predictions)['loss_transform'].backward()
    several = [place for places in views_of_images(NUMBERS) if len(places) > 1 for place in places]
    assert logits.grad.abs().sum(1).nonzero().flatten().tolist() == sorted(several)


def test_gradcheck():
    image = torch.tensor([0, 1, 2, 0, 1, 1])
    assert torch.autograd.gradcheck(
        lambda x: transform_consistency(x, image), normal(6, 3).requires_grad_()
    )


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float32])
def test_extreme_predictions_have_finite_gradients(dtype):
    logits = torch.tensor(
        [[6e4, -6e4, 0], [0, 0, 0], [-6e4, 6e4, 6e4], [6e4, 0, -6e4]],
        dtype=dtype,
        requires_grad=True,
    )
    loss = transform_consistency(logits, torch.tensor([0, 1, 0, 1]))
    loss.backward()
    assert loss.isfinite() and loss.dtype == torch.float32 and logits.grad.isfinite().all()


def test_a_micro_batch_without_pairs_gives_exactly_zero():
    logits = normal(2, 3).requires_grad_()
    part = make_predictions(logits, [1, 1])
    batch = batch_with_pairs(2, 2, 2)
    loss = term_values(TransformConsistencyLoss(), part, batch)['loss_transform']
    loss.backward()
    assert loss == 0 and torch.equal(logits.grad, torch.zeros_like(logits))


def test_images_in_one_view_each_are_an_error():
    with pytest.raises(ValueError, match='reads strong views, but the batch has none.*MultiView'):
        term_values(TransformConsistencyLoss(), make_predictions(normal(3, 4), [1] * 3))
