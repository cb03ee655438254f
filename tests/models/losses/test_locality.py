import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.locality import group_by_group
from mmsemiloc.models import LocalityLoss, direction_penalties, locality_penalty, unit_norm


def groups(height, width):
    """The nested half-spaces of equation (7), as lists of (row, column)."""
    everything = [(i, j) for i in range(height) for j in range(width)]
    for k in range(1, width + 1):
        yield [(i, j) for i, j in everything if j < k]
        yield [(i, j) for i, j in everything if j >= width - k]
    for k in range(1, height + 1):
        yield [(i, j) for i, j in everything if i < k]
        yield [(i, j) for i, j in everything if i >= height - k]


def slow_penalty(cam):
    return sum(
        math.sqrt(sum(cam[i][j] ** 2 for i, j in group)) for group in groups(len(cam), len(cam[0]))
    )


def slow_gradient(cam):
    gradient = np.zeros((len(cam), len(cam[0])))
    for group in groups(len(cam), len(cam[0])):
        norm = math.sqrt(sum(cam[i][j] ** 2 for i, j in group))
        for i, j in group:
            gradient[i, j] += cam[i][j] / norm if norm else 0
    return gradient


def random_maps(shape, dtype=torch.float64):
    return torch.tensor(np.random.default_rng(0).normal(size=shape), dtype=dtype)


@pytest.mark.parametrize('dtype, tolerance', [(torch.float64, 1e-12), (torch.float32, 1e-5)])
@pytest.mark.parametrize('size', [(7, 7), (14, 14), (5, 9), (1, 1), (1, 4)])
def test_value_and_gradient_agree_with_loops(size, dtype, tolerance):
    cam = random_maps((3, *size), dtype)
    cam[1, :, 0] = 0  # a zero group
    cam.requires_grad_()
    loss = LocalityLoss(loss_weight=0.5)(cam)
    loss.backward()
    rows = cam.tolist()
    assert loss.item() == pytest.approx(0.5 * sum(map(slow_penalty, rows)) / 3, rel=tolerance)
    expected = torch.tensor(np.stack([0.5 * slow_gradient(row) / 3 for row in rows]), dtype=dtype)
    torch.testing.assert_close(cam.grad, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize('dtype, tolerance', [(torch.float64, 1e-12), (torch.float32, 2e-5)])
@pytest.mark.parametrize('size', [(7, 7), (14, 14), (28, 28), (5, 9)])
@pytest.mark.parametrize('scale_free', [False, True])
def test_value_and_gradient_agree_with_autograd_group_by_group(size, scale_free, dtype, tolerance):
    cam = random_maps((4, *size), dtype)
    cam[1] *= 100
    cam[2, :2] = 0  # zero groups
    cam.requires_grad_()
    LocalityLoss(scale_free=scale_free)(cam).backward()
    other = cam.detach().double().requires_grad_()
    loss = group_by_group(
        other / other.norm(dim=(1, 2), keepdim=True) if scale_free else other
    ).mean()
    loss.backward()
    assert LocalityLoss(scale_free=scale_free)(cam).item() == pytest.approx(
        loss.item(), rel=tolerance
    )
    torch.testing.assert_close(cam.grad, other.grad.to(dtype), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize('i, j', [(0, 0), (2, 5), (6, 6)])
@pytest.mark.parametrize('value', [3.0, -0.25])
def test_single_pixel(i, j, value):
    cam = torch.zeros(1, 7, 7, dtype=torch.float64)
    cam[0, i, j] = value
    assert LocalityLoss()(cam).item() == pytest.approx(abs(value) * (2 * 7 + 2), rel=1e-12)


def test_directions_add_up_to_the_penalty_and_each_knows_its_side():
    cam = random_maps((3, 4, 6))
    parts = direction_penalties(cam)
    torch.testing.assert_close(sum(parts.unbind(1)), locality_penalty(cam), rtol=1e-15, atol=0)
    torch.testing.assert_close(direction_penalties(cam.flip(2)), parts[:, [1, 0, 2, 3]])
    torch.testing.assert_close(direction_penalties(cam.flip(1)), parts[:, [0, 1, 3, 2]])
    torch.testing.assert_close(direction_penalties(cam.transpose(1, 2)), parts[:, [2, 3, 0, 1]])
    place = torch.zeros(4, 6)
    place[1, 5] = -2
    assert direction_penalties(place).tolist() == [2, 12, 6, 4]  # |v| (W - x, x + 1, H - y, y + 1)


@pytest.mark.parametrize('scale_free', [False, True])
@pytest.mark.parametrize('dtype', [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_zero_map_gives_zero_loss_and_gradient(dtype, scale_free):
    cam = torch.zeros(2, 5, 5, dtype=dtype, requires_grad=True)
    loss = LocalityLoss(scale_free=scale_free)(cam)
    loss.backward()
    assert loss.item() == 0 and torch.equal(cam.grad, torch.zeros_like(cam))


def test_plain_sqrt_is_not_finite_there():
    """Negative control: autograd through sqrt of a sum of squares gives NaN at zero."""
    cam = torch.zeros(5, 5, requires_grad=True)
    cam.square().sum(0).cumsum(0).sqrt().sum().backward()
    assert cam.grad.isnan().all()


@pytest.mark.parametrize('scale_free', [False, True])
def test_half_precision_does_not_overflow(scale_free):
    cam = torch.full(
        (1, 7, 7), 1000.0, dtype=torch.float16, requires_grad=True
    )  # 1000^2 is above float16's range
    with torch.autocast('cpu', torch.bfloat16):
        loss = LocalityLoss(scale_free=scale_free)(cam)
    loss.backward()
    assert loss.dtype == torch.float32 and loss.isfinite() and cam.grad.isfinite().all()


@pytest.mark.parametrize('scale_free', [False, True])
def test_gradcheck(scale_free):
    cam = random_maps((2, 4, 3)).requires_grad_()
    assert torch.autograd.gradcheck(LocalityLoss(scale_free=scale_free), cam)


def test_several_maps_an_image_are_weighted_by_constants():
    cam, weight = (
        random_maps((2, 3, 4, 5)),
        torch.rand(2, 3, dtype=torch.float64, requires_grad=True),
    )
    cam.requires_grad_()
    loss = LocalityLoss()(cam, weight)
    loss.backward()
    expected = (
        sum(
            weight[t, k].item() * slow_penalty(cam[t, k].tolist())
            for t in range(2)
            for k in range(3)
        )
        / 2
    )
    assert loss.item() == pytest.approx(expected, rel=1e-12)
    assert weight.grad is None


def test_of_maps_with_one_sum_the_flat_one_has_the_least_penalty():
    """The reason why large weights flatten maps.

    At one energy instead of one sum, the single place has the least.
    """
    flat = torch.ones(8, 8, dtype=torch.float64)
    place = torch.zeros(8, 8, dtype=torch.float64)
    place[3, 4] = 64
    assert locality_penalty(flat).item() == pytest.approx(184.48, abs=0.01)
    assert locality_penalty(place).item() == pytest.approx(64 * 18)
    assert locality_penalty(unit_norm(place)) < locality_penalty(unit_norm(flat))


# --- The scale-free form


@pytest.mark.parametrize('scale', [1e-30, 1e-3, -2.0, 1e30])
def test_scale_free_form_does_not_depend_on_the_scale(scale):
    cam = random_maps((3, 4, 6), torch.float32)
    torch.testing.assert_close(
        LocalityLoss(scale_free=True)(scale * cam), LocalityLoss(scale_free=True)(cam)
    )


def test_raw_form_does():
    """Negative control."""
    cam = random_maps((3, 4, 6))
    assert LocalityLoss()(0.5 * cam).item() == pytest.approx(
        0.5 * LocalityLoss()(cam).item(), rel=1e-12
    )


def test_scale_free_gradient_is_orthogonal_to_the_map_and_falls_with_its_scale():
    """A step along the gradient cannot shrink a map; negative control: the raw form's can do little
    else.
    """

    def gradient(cam, **kwargs):
        cam = cam.clone().requires_grad_()
        LocalityLoss(**kwargs)(cam).backward()
        return cam.grad

    cam = random_maps((1, 4, 6))
    free = gradient(cam, scale_free=True)
    assert abs((free * cam).sum().item()) < 1e-12 and free.norm() > 0.1
    torch.testing.assert_close(gradient(10 * cam, scale_free=True), free / 10)
    raw = gradient(cam)
    assert (raw * cam).sum() > 0.9 * raw.norm() * cam.norm()


@pytest.mark.parametrize('scale', [1e-45, 1e-40, 1e-38, 1e-20, 1e38])
def test_scale_free_form_of_extreme_maps_is_never_nan(scale):
    cam = (scale * random_maps((3, 4, 6)).clamp(-1, 1)).float().requires_grad_()
    loss = LocalityLoss(scale_free=True)(cam)
    loss.backward()
    assert loss.isfinite() and not cam.grad.isnan().any()


@pytest.mark.parametrize('height, width', [(7, 7), (3, 8), (1, 1)])
def test_extremes_of_the_scale_free_form(height, width):
    """Least: a single place, wherever it is.

    Most: two opposite corners. Between them, a flat map.
    """
    least, most = height + width + 2, 4 + math.sqrt(2) * (height + width - 2)

    def value(cam):
        return locality_penalty(unit_norm(cam)).item()

    for y, x in [(0, 0), (height // 2, width - 1), (height // 2, width // 2)]:
        place = torch.zeros(height, width, dtype=torch.float64)
        place[y, x] = -5
        assert value(place) == pytest.approx(least, rel=1e-12)
    corners = torch.zeros(height, width, dtype=torch.float64)
    corners[0, 0] = corners[-1, -1] = 3
    assert value(corners) == pytest.approx(most, rel=1e-12)
    flat = sum(2 * math.sqrt(k / n) for n in (height, width) for k in range(1, n + 1))
    assert value(torch.full((height, width), 0.1, dtype=torch.float64)) == pytest.approx(
        flat, rel=1e-12
    )
    if height * width > 1:
        assert least < flat < most < math.sqrt(2) * least
        assert value(place + 1e-3 * random_maps((height, width))) > least
        assert value(corners + 1e-3 * random_maps((height, width))) < most


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    height=st.integers(1, 6),
    width=st.integers(1, 6),
    scale=st.floats(1e-3, 1e3),
)
def test_invariances(seed, height, width, scale):
    cam = torch.randn(
        2, height, width, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)
    )
    penalty = locality_penalty(cam)
    for other in (cam.flip(1), cam.flip(2), cam.transpose(1, 2), -cam):
        torch.testing.assert_close(locality_penalty(other), penalty)
    torch.testing.assert_close(locality_penalty(scale * cam), scale * penalty)
    free = locality_penalty(unit_norm(cam))
    assert (free >= height + width + 2 - 1e-9).all() and (
        free <= 4 + math.sqrt(2) * (height + width - 2) + 1e-9
    ).all()
    # A single place has the least penalty for its energy: every group that holds the energy counts
    # it whole.
    assert (penalty >= cam.abs().amax((1, 2)) * (height + width + 2) - 1e-9).all()


@pytest.mark.parametrize(
    'cam, weight',
    [((3, 3), None), ((2, 3, 4, 4), None), ((2, 4, 4), (2, 3)), ((2, 3, 4, 4), (2, 4))],
)
def test_bad_shapes(cam, weight):
    with pytest.raises(ValueError, match='LocalityLoss needs cam'):
        LocalityLoss()(torch.zeros(cam), None if weight is None else torch.zeros(weight))
    with pytest.raises(ValueError, match='maps of shape'):
        locality_penalty(torch.zeros(3))
