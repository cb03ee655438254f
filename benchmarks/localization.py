"""Time of finding the boxes of maps at all thresholds.

Contours are searched in each of 1,000 binarisations, or in the different ones.
"""

import statistics
import time
from collections.abc import Callable, Sequence

import cv2
import numpy as np
import torch

from mmsemiloc.evaluation.boxes import TAUS, ContourBoxes, contour_boxes
from mmsemiloc.evaluation.maps import normalize_map, resize_maps
from mmsemiloc.study.tables import Table

Boxes = list[list[list[int]]]


def random_maps(count: int, cells: int, pixels: int, seed: int = 0) -> list[np.ndarray]:
    """Smooth maps (pixels, pixels) from 0 to 1.

    They are normal numbers on ``cells`` x ``cells`` places, resized.
    """
    coarse = torch.randn(count, cells, cells, generator=torch.Generator().manual_seed(seed))
    return [normalize_map(cam) for cam in resize_maps(coarse, (pixels, pixels)).numpy()]


def plain_boxes(normalized: np.ndarray) -> Boxes:
    """For each of the 1,000 thresholds the box of the largest contour, then all boxes."""
    grey = (normalized * 255).astype(np.uint8)
    height, width = grey.shape
    found = []

    for tau in TAUS:
        binary = cv2.threshold(grey, int(tau * grey.max()), 255, cv2.THRESH_BINARY)[1]
        contours = list(cv2.findContours(binary, cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)[0])
        if contours:
            contours.insert(0, max(contours, key=cv2.contourArea))
        rects = [cv2.boundingRect(contour) for contour in contours]
        boxes = [[x, y, min(x + w, width - 1), min(y + h, height - 1)] for x, y, w, h in rects]
        found.append(boxes or [[0, 0, 0, 0]] * 2)

    return found


def spread(contours: ContourBoxes) -> Boxes:
    """The boxes of :func:`contour_boxes` in the form of :func:`plain_boxes`."""
    groups = np.split(contours.boxes, contours.starts[1:])
    boxes = [
        [contours.boxes[largest].tolist(), *group.tolist()]
        for largest, group in zip(contours.largest, groups, strict=True)
    ]
    return [boxes[contours.binarization[int(tau * 255)]] for tau in TAUS]


def seconds(function: Callable[[np.ndarray], object], maps: Sequence[np.ndarray]) -> float:
    """Duration for one map."""
    start = time.perf_counter()
    for cam in maps:
        function(cam)
    return (time.perf_counter() - start) / len(maps)


def localization_table(sizes: Sequence[tuple[int, int]], num_maps: int, repeats: int) -> Table:
    """One row per size (cells, pixels): ms of both ways for one map, and their ratio.

    Times are medians over turns; the ratio is the median of the ratios within a turn.

    Raises:
        RuntimeError: If they find different boxes.
    """
    rows = []
    for cells, pixels in sizes:
        maps = random_maps(num_maps, cells, pixels)
        if any(plain_boxes(cam) != spread(contour_boxes(cam)) for cam in maps):
            raise RuntimeError(f'different boxes on maps of {cells} x {cells} cells')
        turns = [(seconds(plain_boxes, maps), seconds(contour_boxes, maps)) for _ in range(repeats)]
        plain, ours = (statistics.median(times) for times in zip(*turns, strict=True))
        ratio = statistics.median(a / b for a, b in turns)
        rows.append(
            [
                f'{cells} x {cells} at {pixels} x {pixels}',
                f'{1e3 * plain:.1f}',
                f'{1e3 * ours:.1f}',
                f'{ratio:.1f}',
            ]
        )

    return Table(
        f'boxes of a map at 1,000 thresholds, the same boxes both ways; {num_maps} maps, {repeats} '
        'turns',
        ['map', 'all thresholds ms', 'different ones ms', 'times faster'],
        rows,
    )
