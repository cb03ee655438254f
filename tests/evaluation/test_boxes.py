"""Boxes at all thresholds are those of the published definition, threshold by threshold."""

import numpy as np
import pytest
import torch

from benchmarks.localization import localization_table, plain_boxes, spread
from mmsemiloc.evaluation import boxes as module
from mmsemiloc.evaluation.boxes import TAUS, box_hits, box_iou, contour_boxes, level_of
from mmsemiloc.evaluation.maps import normalize_map, resize_maps
from tests.evaluation import reference


def smooth(seed, cells=(4, 5), size=(24, 31)):
    coarse = torch.randn(1, *cells, generator=torch.Generator().manual_seed(seed))
    return resize_maps(coarse, size)[0].numpy()


def ring():
    """A ring around a spot: a hole contour and a contour in it."""
    y, x = np.mgrid[:30, :40]
    radius = np.hypot(y - 14, x - 20)
    return (np.exp(-((radius - 9) ** 2) / 8) + 0.6 * np.exp(-(radius**2) / 4)).astype(np.float32)


def corner():
    """Touches the right and lower border, where the published boxes are cut."""
    y, x = np.mgrid[:20, :12]
    return (y + x).astype(np.float32)


MAPS = {
    **{f'smooth {seed}': smooth(seed) for seed in range(3)},
    'wide': smooth(3, (3, 7), (16, 48)),
    'high': smooth(4, (7, 3), (48, 16)),
    'noise': np.random.default_rng(0).random((14, 17), np.float32),
    'few levels': np.random.default_rng(1).integers(0, 4, (12, 18)).astype(np.float32),
    'ring': ring(),
    'corner': corner(),
    'point': np.eye(1, 30, 17, dtype=np.float32).reshape(5, 6),
    'constant': np.full((9, 7), 3.5, np.float32),
    'negative': -1 - ring(),
}
TRUE = {name: [[2, 3, 9, 12], [5, 1, 12, 6]] for name in MAPS} | {
    'constant': [[1, 2, 5, 7]],
    'point': [[0, 0, 6, 5]],
    'ring': [[0, 0, 5, 5], [8, 3, 32, 26]],
}


@pytest.mark.parametrize('name', MAPS)
def test_boxes_at_every_threshold(name):
    normalized = normalize_map(MAPS[name])
    np.testing.assert_array_equal(normalized, reference.normalize(MAPS[name]))
    contours = contour_boxes(normalized)
    grey = (normalized * 255).astype(np.uint8)
    ours = spread(contours)
    expected = [reference.boxes_at(grey, tau) for tau in reference.TAUS]
    assert ours == [[largest, *every] for largest, every in expected]
    assert ours == plain_boxes(normalized)


@pytest.mark.parametrize('name', MAPS)
def test_hits_at_every_threshold(name):
    hits = box_hits(contour_boxes(normalize_map(MAPS[name])), np.array(TRUE[name], np.float32))
    at = hits[:, [level_of(tau) for tau in TAUS]]
    np.testing.assert_array_equal(at, reference.hits(MAPS[name], TRUE[name]))


def test_the_cases_are_what_they_are_called():
    """The comparison covers what it says: hole contours, right and wrong boxes, largest contours
    that are not the best.
    """
    rows = [reference.hits(MAPS[name], TRUE[name]) for name in MAPS]
    assert all(
        any(any(row[i]) for row in rows) and not all(all(row[i]) for row in rows) for i in range(4)
    )
    assert any(row[0] != row[2] for row in rows)
    inner = contour_boxes(normalize_map(ring())).boxes
    assert (inner[:, 2] - inner[:, 0]).max() > 20 and len(set(map(tuple, inner.tolist()))) > 20


def test_hole_contours_count(monkeypatch):
    """Negative control: outer contours alone give other boxes on the ring."""
    normalized = normalize_map(ring())
    expected = plain_boxes(normalized)
    monkeypatch.setattr(module.cv2, 'RETR_TREE', module.cv2.RETR_EXTERNAL)
    assert spread(contour_boxes(normalized)) != expected


def test_constant_maps_have_the_empty_box():
    contours = contour_boxes(np.zeros((5, 6), np.float32))
    assert spread(contours) == [[[0, 0, 0, 0]] * 2] * 1000


def test_at_most_255_binarizations():
    assert {level_of(tau) for tau in TAUS} == set(range(255))
    assert [level_of(round(tau, 3)) for tau in TAUS] == [
        level_of(tau) for tau in TAUS
    ]  # a reported one means the same
    contours = contour_boxes(normalize_map(smooth(0, size=(224, 224))))
    assert len(contours.starts) <= 255
    assert len(contour_boxes(normalize_map(MAPS['few levels'])).starts) == 3


def test_iou():
    rng = np.random.default_rng(0)
    boxes = np.sort(rng.integers(0, 20, (30, 2, 2)), axis=1).reshape(30, 4)
    expected = [[reference.iou(a, b) for b in boxes[:7].tolist()] for a in boxes.tolist()]
    np.testing.assert_allclose(box_iou(boxes, boxes[:7]), expected, rtol=1e-12)
    assert box_iou(np.array([[0, 0, 0, 0]]), np.array([[0, 0, 9, 9]])) == 0.01  # a box of one pixel


def test_true_boxes_are_cut_to_whole_pixels():
    contours = contour_boxes(normalize_map(ring()))
    whole = box_hits(contours, np.array([[10, 5, 28, 22]]))
    np.testing.assert_array_equal(
        box_hits(contours, np.array([[10.9, 4.999999, 28.5, 22.2]])), whole
    )
    assert not np.array_equal(box_hits(contours, np.array([[10, 5, 33, 22]])), whole)


def test_benchmark_compares_and_counts():
    table = localization_table([(3, 16)], num_maps=2, repeats=1)
    assert table.rows[0][0] == '3 x 3 at 16 x 16' and all(
        float(cell) > 0 for cell in table.rows[0][1:]
    )


def test_benchmark_notices_other_boxes(monkeypatch):
    """Negative control."""
    from benchmarks import localization

    monkeypatch.setattr(localization, 'contour_boxes', lambda cam: contour_boxes(cam[:, ::-1]))
    with pytest.raises(RuntimeError, match='different boxes on maps of 3 x 3'):
        localization_table([(3, 16)], num_maps=1, repeats=1)
