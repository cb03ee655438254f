"""Whether true boxes can be boxes in their image."""

from collections.abc import Sequence

import numpy as np


def check_boxes(boxes: np.ndarray, size: Sequence[int]) -> None:
    """Check that boxes (N, 4) have an area and lie in an image (H, W).

    Raises:
        ValueError: If one does not.
    """
    height, width = size
    for box in np.asarray(boxes).tolist():
        x1, y1, x2, y2 = box
        if not (0 <= x1 < x2 <= width and 0 <= y1 < y2 <= height):
            raise ValueError(
                f'a box [x1, y1, x2, y2] must have an area and lie in the image, got {box} in an '
                f'image of {width} x {height} pixels'
            )
