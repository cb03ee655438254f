"""Boxes in the pixels of a photo, from boxes in the image that a pipeline makes of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from mmsemiloc.datasets.random_state import RandomState

Transform = Callable[[dict], dict]
MAX_PLACES = 20_000  # that a line is drawn through


@dataclass(frozen=True)
class ToPhoto:
    """Where the places of a network's input lie in the photo: stretched, moved, perhaps mirrored.

    Attributes:
        scale: Photo pixels per pixel of the input, along x and y; negative if mirrored.
        offset: Place in the photo of the input's upper left corner, x and y.
        size: Width and height of the photo.
    """

    scale: tuple[float, float]
    offset: tuple[float, float]
    size: tuple[int, int]

    def box(self, box: Sequence[float]) -> list[int]:
        """A box [x1, y1, x2, y2], x2 and y2 outside, in whole pixels of the photo, within it."""
        sides = []
        for axis in (0, 1):
            ends = [self.scale[axis] * box[k] + self.offset[axis] for k in (axis, axis + 2)]
            sides.append([int(np.clip(np.rint(end), 0, self.size[axis])) for end in sorted(ends)])
        return [sides[0][0], sides[1][0], sides[0][1], sides[1][1]]


def ramp(shape: Sequence[int], axis: int, dtype: np.dtype) -> np.ndarray:
    """A picture (H, W, ...) that rises from 0 to 255 along x (axis 1) or y (axis 0)."""
    values = np.rint((np.arange(shape[axis]) + 0.5) / shape[axis] * 255).astype(dtype)
    wide = values.reshape([-1 if k == axis else 1 for k in range(len(shape))])
    return np.ascontiguousarray(np.broadcast_to(wide, tuple(shape)))


def line_through(
    places: np.ndarray, xs: np.ndarray, ys: np.ndarray, along: int
) -> tuple[float, float, float]:
    """Scale and offset of ``places`` along x (0) or y (1), and the largest distance from them."""
    terms = np.stack([xs, ys, np.ones(len(xs))], 1)
    slopes, *_ = np.linalg.lstsq(terms, places, rcond=None)
    alone = slopes * [along == 0, along == 1, True]
    return float(slopes[along]), float(slopes[2]), float(np.abs(terms @ alone - places).max())


def measure(transforms: Transform, results: dict) -> ToPhoto | None:
    """How a test pipeline places a photo in the network's input, seen by sending ramps of grey.

    Works for transforms of any package that stretch, cut, mirror or pad, whatever they do to
    colours one by one.

    Args:
        transforms: All transforms after the loading one, with packing.
        results: The loaded photo.

    Returns:
        None if the places cannot be told: the transforms are random, turn the photo, or mix its
        colours.
    """
    image = results['img']
    height, width = image.shape[:2]

    def seen(picture: np.ndarray) -> np.ndarray:
        return transforms({**results, 'img': picture})['inputs'].float().mean(0).numpy()

    random = RandomState(torch.device('cpu'))
    try:
        black, white = seen(np.zeros_like(image)), seen(np.full_like(image, 255))
        across = seen(ramp(image.shape, 1, image.dtype))
        down = seen(ramp(image.shape, 0, image.dtype))
        again = seen(ramp(image.shape, 1, image.dtype))
    except Exception:  # a transform that wants more of a picture than pixels
        return None
    finally:
        random.restore()

    # What is padded is the same in black and in white, and of no place in the photo.
    shapes = {picture.shape for picture in (black, white, across, down, again)}
    if len(shapes) > 1 or not np.array_equal(across, again):
        return None
    contrast = white - black
    rows, columns = np.nonzero(np.abs(contrast) > 0.5 * np.abs(contrast).max())
    if len(rows) < 4 or not np.abs(contrast).max() > 0:
        return None
    step = max(1, len(rows) // MAX_PLACES)
    rows, columns = rows[::step], columns[::step]
    xs, ys = columns + 0.5, rows + 0.5
    lines = []
    for values, size, along in ((across, width, 0), (down, height, 1)):
        places = ((values - black)[rows, columns] / contrast[rows, columns]) * size
        scale, offset, error = line_through(places, xs, ys, along)
        # Grey values have 256 steps, and the border is flat where the photo was stretched.
        if error > 2 * size / 255 + max(1.0, abs(scale)):
            return None
        lines.append((scale, offset))
    (sx, ox), (sy, oy) = lines
    return ToPhoto((sx, sy), (ox, oy), (width, height))
