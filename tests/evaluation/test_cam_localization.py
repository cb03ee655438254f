import numpy as np
import pytest
import torch

from mmsemiloc.evaluation import energy_in_box, resize_maps


def test_energy_in_box():
    cam = np.zeros((10, 20))
    cam[2:4, 5:9] = 3.0
    assert energy_in_box(cam, [[5, 2, 9, 4]]) == 1
    assert energy_in_box(cam, [[7, 2, 20, 10]]) == 0.5
    assert energy_in_box(cam, [[0, 0, 5, 10]]) == 0
    assert energy_in_box(cam, [[5, 2, 7, 4], [7, 2, 9, 4], [5, 2, 7, 4]]) == 1  # overlaps count once


def test_constant_map_gives_the_share_of_the_area():
    assert energy_in_box(np.full((10, 20), 0.3), [[0, 0, 5, 10]]) == pytest.approx(0.25)


def test_negative_parts_do_not_count():
    cam = np.full((4, 4), -5.0)
    assert energy_in_box(cam, [[0, 0, 4, 4]]) == 0
    cam[0, 0] = 1
    assert energy_in_box(cam, [[0, 0, 1, 1]]) == 1


@pytest.mark.parametrize('cam', [np.full((3, 3), np.nan), np.zeros((1, 3, 3))])
def test_bad_maps(cam):
    with pytest.raises(ValueError, match='finite map'):
        energy_in_box(cam, [[0, 0, 1, 1]])


def test_resize_maps():
    maps = resize_maps(torch.tensor([[[0.0, 1], [2, 3]]]), (6, 8))
    assert maps.shape == (1, 6, 8)
    torch.testing.assert_close(maps[0, [0, -1], [0, -1]], torch.tensor([0.0, 3.0]))
    torch.testing.assert_close(resize_maps(torch.ones(2, 3, 3), (5, 5)), torch.ones(2, 5, 5))
