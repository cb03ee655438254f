"""How well class activation maps find the object."""
from collections.abc import Sequence

import numpy as np
from torch import Tensor
from torch.nn import functional as F


def resize_maps(cam: Tensor, size: Sequence[int]) -> Tensor:
    """Maps (T, h, w) at the size (H, W) of the image, bilinear."""
    return F.interpolate(cam[:, None].float(), tuple(size), mode='bilinear', align_corners=False)[:, 0]


def energy_in_box(cam: np.ndarray, boxes: Sequence[Sequence[float]]) -> float:
    """Share of a map's positive part that lies inside the true boxes (energy-based pointing game).

    Args:
        cam: Map (H, W) at the size of the image, any unit.
        boxes: True boxes [x1, y1, x2, y2] in pixels, x2 and y2 outside.

    Returns:
        A share from 0 to 1; 0 for a map without a positive value. A constant positive map gives the boxes' share of the area.

    Raises:
        ValueError: If the map is no finite matrix.
    """
    if cam.ndim != 2 or not np.isfinite(cam).all():
        raise ValueError(f'energy_in_box needs a finite map (H, W), got shape {cam.shape}, {np.isnan(cam).sum()} NaN')
    energy = np.maximum(cam, 0).astype(np.float64)
    inside = np.zeros(cam.shape, bool)
    for x1, y1, x2, y2 in boxes:
        inside[round(y1):round(y2), round(x1):round(x2)] = True
    total = energy.sum()
    return float(energy[inside].sum() / total) if total > 0 else 0.0
