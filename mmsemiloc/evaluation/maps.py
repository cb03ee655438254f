"""Class activation maps at the size of the image, and measures that need no box around the map."""

from collections.abc import Sequence

import numpy as np
from torch import Tensor
from torch.nn import functional as F


def resize_maps(cam: Tensor, size: Sequence[int]) -> Tensor:
    """Maps (T, h, w) at the size (H, W) of the network's input.

    Bicubic, as in the published evaluation.
    """
    maps = cam[:, None].float()
    return F.interpolate(maps, tuple(size), mode='bicubic', align_corners=False)[:, 0]


def normalize_map(cam: np.ndarray) -> np.ndarray:
    """``(x - min) / max``, from 0 to 1; a constant map becomes 0.

    Args:
        cam: Map (H, W), any unit.

    Raises:
        ValueError: If the map is not a finite matrix.
    """
    if cam.ndim != 2 or not np.isfinite(cam).all():
        raise ValueError(
            f'a map must be a finite matrix (H, W), got shape {cam.shape}, {np.isnan(cam).sum()} '
            f'NaN, {np.isinf(cam).sum()} infinite'
        )
    shifted = cam - cam.min()
    return shifted / shifted.max() if shifted.any() else shifted


def boxes_mask(boxes: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """Which pixels (H, W) lie in any of the boxes (N, 4).

    Boxes are [x1, y1, x2, y2], x2 and y2 outside, and are rounded to whole pixels.
    """
    inside = np.zeros(tuple(size), bool)
    for x1, y1, x2, y2 in np.rint(boxes).astype(int):
        inside[y1:y2, x1:x2] = True
    return inside


def energy_inside(cam: np.ndarray, inside: np.ndarray) -> float:
    """Share (0 to 1) of a map's positive part that lies on the pixels ``inside``.

    This is the `energy-based pointing game <https://arxiv.org/abs/1910.01279>`_. It is 0 for a map
    without a positive value; a constant positive map gives the share of the area.
    """
    energy = np.maximum(cam, 0).astype(np.float64)
    total = energy.sum()
    return float(energy[inside].sum() / total) if total > 0 else 0.0


def maximum_inside(cam: np.ndarray, inside: np.ndarray) -> float:
    """Pointing game: 1 if the maximum of a map (H, W) lies on the pixels ``inside``, else 0.

    The share of equal maxima.
    """
    return float(inside[cam == cam.max()].mean())


def area(cam: np.ndarray, threshold: float = 0.5) -> float:
    """Share (0 to 1) of a map (H, W) above ``threshold`` times its maximum.

    0 if the maximum is not positive, 1 for a constant positive map.
    """
    return float((cam > threshold * cam.max()).mean()) if cam.max() > 0 else 0.0
