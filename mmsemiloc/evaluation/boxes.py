"""Boxes of a map at all thresholds, and how well they fit the true ones.

After `Evaluating Weakly Supervised Object Localization Methods Right
<https://arxiv.org/abs/2001.07437>`_ (Choe et al., CVPR 2020). A map in 256 grey levels has at most
255 different binarisations, so contours are looked for once for each of those instead of for all
1,000 thresholds.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

TAUS = np.arange(0, 1, 0.001)  # thresholds as shares of the maximum
LEVELS = 255  # grey levels 0 to 254, which pixels may lie above
IOUS = (0.3, 0.5, 0.7)


def level_of(tau: float) -> int:
    """Grey level that pixels must be strictly above at the threshold ``tau``, from 0 to below 1."""
    return int(tau * 255)


@dataclass(frozen=True)
class ContourBoxes:
    """Boxes of the contours of a map (outer ones and holes) for its D different binarisations.

    Attributes:
        boxes: [x1, y1, x2, y2] (M, 4), one binarisation after the other.
        starts: Number of the first box of each binarisation (D,).
        largest: Number of the box of the contour with the largest area (D,).
        binarization: Which one belongs to each grey level (255,).
    """

    boxes: np.ndarray
    starts: np.ndarray
    largest: np.ndarray
    binarization: np.ndarray


def contour_boxes(normalized: np.ndarray) -> ContourBoxes:
    """Boxes of a map (H, W) from 0 to 1 at all grey levels; without a contour, [0, 0, 0, 0].

    x2 and y2 are one further than the contour, but in the image, as published.
    """
    grey = (normalized * 255).astype(np.uint8)
    values = np.unique(grey)

    # One binarisation for each value that occurs: above the largest one there is no pixel.
    rects: list[Sequence[int]] = []
    starts, largest = [], []
    for value in values[:-1].tolist():
        binary = cv2.threshold(grey, value, 255, cv2.THRESH_BINARY)[1]
        contours, _ = cv2.findContours(binary, cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)
        areas = [cv2.contourArea(contour) for contour in contours]
        starts.append(len(rects))
        largest.append(len(rects) + areas.index(max(areas)))
        rects += [cv2.boundingRect(contour) for contour in contours]
    # A constant map has no contour at any level.
    if not starts:
        nothing = np.array([0])
        return ContourBoxes(np.zeros((1, 4), int), nothing, nothing, np.zeros(LEVELS, int))

    x, y, width, height = np.array(rects).T
    x2 = np.minimum(x + width, grey.shape[1] - 1)
    y2 = np.minimum(y + height, grey.shape[0] - 1)
    boxes = np.stack([x, y, x2, y2], axis=1)

    # A grey level gives the same pixels as the largest value that is not above it.
    binarization = np.searchsorted(values, np.arange(LEVELS), 'right') - 1
    return ContourBoxes(boxes, np.array(starts), np.array(largest), binarization)


def box_iou(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Intersection over union (M, N) of boxes (M, 4) and (N, 4).

    As published, the last pixels count, so that a side is x2 - x1 + 1.
    """
    a, b = boxes[:, None], others[None]
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2]) + 1
    inside = np.maximum(sides, 0).prod(-1)
    areas = [(box[..., 2:] - box[..., :2] + 1).prod(-1) for box in (a, b)]
    return inside / (areas[0] + areas[1] - inside)


def box_hits(contours: ContourBoxes, true_boxes: np.ndarray) -> np.ndarray:
    """Which grey levels give a right box.

    Args:
        contours: Boxes of a map.
        true_boxes: (N, 4) in pixels, N >= 1; as published, they are cut down to whole pixels.

    Returns:
        bool (4, 255). Row 0: the box of the largest contour has an IoU of at least 0.5 with a true
        box (MaxBoxAcc). Rows 1 to 3: some contour's box has an IoU of at least 0.3, 0.5, 0.7
        (MaxBoxAccV2).
    """
    # 112 may have become 111.99999 when it was scaled.
    whole = np.floor(np.asarray(true_boxes, np.float64) + 1e-4)
    ious = box_iou(contours.boxes, whole).max(1)
    best = np.maximum.reduceat(ious, contours.starts)
    hits = np.stack([ious[contours.largest] >= 0.5, *(best >= iou for iou in IOUS)])
    return hits[:, contours.binarization]
