"""How well the map of one image finds the object, and the summary over images."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmsemiloc.datasets.checks.boxes import check_boxes
from mmsemiloc.evaluation.boxes import (
    IOUS,
    LEVELS,
    TAUS,
    ContourBoxes,
    box_hits,
    contour_boxes,
    level_of,
)
from mmsemiloc.evaluation.maps import area, boxes_mask, energy_inside, maximum_inside, normalize_map
from mmsemiloc.evaluation.pixel_precision import pixel_average_precision, pixel_histogram


@dataclass(frozen=True)
class MapScore:
    """One map against the true boxes of its image; small enough to collect those of all images.

    Attributes:
        area: Share (0 to 1) of pixels above half of the maximum, or another threshold.
        in_box: Share (0 to 1) of the positive part inside the boxes; NaN without boxes.
        pointing: 1 if the maximum is inside a box, else 0; NaN without boxes.
        hits: :func:`box_hits` in 128 bytes, one bit each; None without boxes.
        histogram: :func:`pixel_histogram`; None without a mask.
    """

    area: float
    in_box: float = float('nan')
    pointing: float = float('nan')
    hits: np.ndarray | None = None
    histogram: np.ndarray | None = None


def score_map(
    cam: np.ndarray,
    boxes: np.ndarray,
    mask: np.ndarray | None = None,
    area_threshold: float = 0.5,
    contours: ContourBoxes | None = None,
) -> MapScore:
    """Score a map.

    Args:
        cam: Map (H, W) at the size of the image, any unit.
        boxes: True boxes (N, 4) [x1, y1, x2, y2] in pixels of the image, x2 and y2 outside; N may
            be 0.
        mask: (H, W): 1 on the object, 0 off it, 255 where pixels do not count.
        area_threshold: Share of the maximum above which a pixel counts in ``area``.
        contours: Boxes of the map, if they are known.

    Raises:
        ValueError: If the map is not finite, a box is empty or not in the image, or the mask does
            not fit.
    """
    normalized = normalize_map(cam)
    share = area(cam, area_threshold)
    histogram = None if mask is None else pixel_histogram(normalized, mask)
    if len(boxes) == 0:
        return MapScore(share, histogram=histogram)

    # Measures that need the true boxes.
    check_boxes(boxes, cam.shape)
    inside = boxes_mask(boxes, cam.shape)
    hits = box_hits(contours or contour_boxes(normalized), boxes)
    return MapScore(
        share, energy_inside(cam, inside), maximum_inside(cam, inside), np.packbits(hits), histogram
    )


def centre_map(size: Sequence[int]) -> np.ndarray:
    """An uninformed baseline (H, W): a Gaussian at the image's centre, of its aspect ratio."""
    y, x = (np.linspace(-1, 1, length, dtype=np.float32) for length in size)
    return np.exp(-(y[:, None] ** 2 + x**2) / 2)


@functools.lru_cache(maxsize=64)
def _centre_contours(size: tuple[int, int]) -> ContourBoxes:
    """Boxes of :func:`centre_map`; images of one size share them."""
    return contour_boxes(normalize_map(centre_map(size)))


def score_centre_map(
    size: Sequence[int],
    boxes: np.ndarray,
    mask: np.ndarray | None = None,
    area_threshold: float = 0.5,
) -> MapScore:
    """:func:`score_map` of the :func:`centre_map`, an uninformed baseline."""
    height, width = size
    return score_map(
        centre_map(size), boxes, mask, area_threshold, _centre_contours((height, width))
    )


def box_accuracy(
    hits: Sequence[np.ndarray] | np.ndarray, where: np.ndarray | None = None
) -> np.ndarray:
    """Share (0 to 1) of images whose box is right, for each rule and grey level (4, 255).

    See :func:`box_hits`.

    Args:
        hits: ``MapScore.hits`` of all images.
        where: bool (N,): images whose box does not count as right elsewhere.
    """
    unpacked = np.unpackbits(np.asarray(hits), axis=1, count=(1 + len(IOUS)) * LEVELS).reshape(
        len(hits), -1, LEVELS
    )
    return (unpacked if where is None else unpacked * where[:, None, None]).mean(0)


def max_box_acc(accuracy: np.ndarray) -> float:
    """MaxBoxAcc (%) from :func:`box_accuracy`.

    IoU 0.5, the largest contour, at the best threshold of this set.
    """
    return 100 * float(accuracy[0].max())


def max_box_acc_v2(accuracy: np.ndarray) -> float:
    """MaxBoxAccV2 (%) from :func:`box_accuracy`.

    Mean over IoU 0.3, 0.5, 0.7, all contours, each at its best threshold of this set.
    """
    return 100 * float(accuracy[1:].max(1).mean())


def best_threshold(accuracy: np.ndarray) -> float:
    """The first threshold with the best mean box accuracy over IoU 0.3, 0.5, 0.7.

    It is one for all three, and to be used on another set.
    """
    levels = [level_of(tau) for tau in TAUS.tolist()]
    return round(float(TAUS[accuracy[1:].mean(0)[levels].argmax()]), 3)


def summarize_maps(scores: Sequence[MapScore], threshold: float | None = None) -> dict[str, float]:
    """Means over images, in %.

    Args:
        scores: Of all images, at least one; those without boxes count in ``area`` only.
        threshold: One that was chosen on other images.

    Returns:
        ``MaxBoxAcc``, ``MaxBoxAccV2``, ``best_threshold`` (not in %), with a threshold ``BoxAcc``
        and ``BoxAccV2`` at it, ``pointing``, ``in_box``, ``area``, and ``PxAP`` if all images have
        masks. Without boxes there are only ``area`` and ``PxAP``.
    """
    summary: dict[str, float] = {}
    boxed = [score for score in scores if score.hits is not None]
    if boxed:
        accuracy = box_accuracy([score.hits for score in boxed if score.hits is not None])
        summary.update(
            MaxBoxAcc=max_box_acc(accuracy),
            MaxBoxAccV2=max_box_acc_v2(accuracy),
            best_threshold=best_threshold(accuracy),
        )
        if threshold is not None:
            at = 100 * accuracy[:, level_of(threshold)]
            summary.update(BoxAcc=float(at[0]), BoxAccV2=float(at[1:].mean()))
        summary['pointing'] = 100 * float(np.mean([score.pointing for score in boxed]))
        summary['in_box'] = 100 * float(np.mean([score.in_box for score in boxed]))
    summary['area'] = 100 * float(np.mean([score.area for score in scores]))

    # Pixels are pooled over all images, so one without a mask would change what is measured.
    histograms = [score.histogram for score in scores if score.histogram is not None]
    if len(histograms) == len(scores):
        summary['PxAP'] = 100 * pixel_average_precision(np.stack(histograms).sum(0, dtype=np.int64))
    return summary
