import cv2
import numpy as np
import pytest
import torch

from mmsemiloc.evaluation.maps import (
    area,
    boxes_mask,
    energy_inside,
    maximum_inside,
    normalize_map,
    resize_maps,
)


def energy_in_box(cam, boxes):
    return energy_inside(cam, boxes_mask(np.array(boxes), cam.shape))


def test_energy_inside():
    cam = np.zeros((10, 20))
    cam[2:4, 5:9] = 3.0
    assert energy_in_box(cam, [[5, 2, 9, 4]]) == 1
    assert energy_in_box(cam, [[7, 2, 20, 10]]) == 0.5
    assert energy_in_box(cam, [[0, 0, 5, 10]]) == 0
    assert (
        energy_in_box(cam, [[5, 2, 7, 4], [7, 2, 9, 4], [5, 2, 7, 4]]) == 1
    )  # overlaps count once
    assert energy_in_box(np.full((10, 20), 0.3), [[0, 0, 5, 10]]) == pytest.approx(
        0.25
    )  # the share of the area


def test_negative_parts_have_no_energy():
    cam = np.full((4, 4), -5.0)
    assert energy_in_box(cam, [[0, 0, 4, 4]]) == 0
    cam[0, 0] = 1
    assert energy_in_box(cam, [[0, 0, 1, 1]]) == 1


def test_pointing():
    cam = np.zeros((4, 6))
    inside = boxes_mask(np.array([[0, 0, 2, 4]]), cam.shape)
    assert maximum_inside(cam, inside) == pytest.approx(1 / 3)  # all are maxima
    cam[3, 1] = 1
    assert maximum_inside(cam, inside) == 1
    cam[3, 2] = 2
    assert maximum_inside(cam, inside) == 0
    cam[0, 0] = 2
    assert maximum_inside(cam, inside) == 0.5


def test_area():
    cam = np.array([[4.0, 2.0, 1.9, 2.1], [-9.0, 0.0, 3.0, 1.0]])
    assert area(cam) == 3 / 8
    assert area(cam, 0.2) == 6 / 8
    assert area(np.ones((3, 3))) == 1 and area(np.zeros((3, 3))) == area(-np.ones((3, 3))) == 0
    assert area(10 * cam) == area(cam)


@pytest.mark.parametrize(
    'cam', [np.full((3, 3), np.nan), np.array([[0.0, np.inf]]), np.zeros((1, 3, 3))]
)
def test_bad_maps(cam):
    with pytest.raises(ValueError, match='finite matrix'):
        normalize_map(cam)


def test_normalized_maps_go_from_0_to_1():
    cam = np.random.default_rng(0).normal(size=(5, 7)).astype(np.float32)
    normalized = normalize_map(cam)
    assert normalized.min() == 0 and normalized.max() == 1
    np.testing.assert_allclose(normalize_map(3 * cam + 2), normalized, atol=1e-6)
    assert not normalize_map(np.full((2, 2), -7.0)).any()


def test_resize_is_the_bicubic_one_of_the_published_evaluation():
    cam = torch.randn(2, 7, 5, generator=torch.Generator().manual_seed(0))
    maps = resize_maps(cam, (56, 48))
    for one, coarse in zip(maps.numpy(), cam.numpy(), strict=True):
        np.testing.assert_allclose(
            one, cv2.resize(coarse, (48, 56), interpolation=cv2.INTER_CUBIC), atol=1e-4
        )
        assert (
            np.abs(one - cv2.resize(coarse, (48, 56), interpolation=cv2.INTER_LINEAR)).max() > 0.1
        )  # negative control
    torch.testing.assert_close(resize_maps(torch.ones(2, 3, 3), (5, 5)), torch.ones(2, 5, 5))
