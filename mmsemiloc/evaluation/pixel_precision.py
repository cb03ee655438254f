"""Average precision over the pixels of all images (PxAP).

It says how well maps tell the pixels of the object from others.
"""

import numpy as np

from mmsemiloc.evaluation.boxes import TAUS

EDGES = np.append(TAUS, [1.0, 2.0])  # the maximum has a bin of its own
IGNORE = 255


def pixel_histogram(normalized: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Counts of a map's values.

    Args:
        normalized: Map (H, W) from 0 to 1.
        mask: (H, W): 1 on the object, 0 off it, 255 where pixels do not count.

    Returns:
        (2, 1001): pixels on the object, and off it, in the bins [0, 0.001), ..., [0.999, 1), 1.

    Raises:
        ValueError: If the mask has another size or other values.
    """
    if mask.shape != normalized.shape or not np.isin(mask, (0, 1, IGNORE)).all():
        raise ValueError(
            f'a mask must have the size {normalized.shape} of the image and values 0, 1 or 255 '
            f'(ignored), got {mask.shape} and {np.unique(mask)[:5].tolist()}'
        )
    counts = np.stack([np.histogram(normalized[mask == value], EDGES)[0] for value in (1, 0)])
    # Small: one per image goes from process to process.
    return counts.astype(np.min_scalar_type(mask.size))


def pixel_average_precision(histogram: np.ndarray) -> float:
    """Area under precision over recall, 0 to 1: ``sum_k precision_k (recall_k - recall_(k-1))``.

    A map that is 1 on the object and 0 off it has 1, a constant one the share of the object's
    pixels.

    Args:
        histogram: Sum of :func:`pixel_histogram` over all images.

    Raises:
        ValueError: If no pixel is on an object.
    """
    on, off = histogram[:, ::-1].astype(np.float64).cumsum(1)
    if on[-1] == 0:
        raise ValueError('PxAP needs masks with pixels on an object, got none')
    precision = on / np.maximum(on + off, 1)
    return float((precision * np.diff(on, prepend=0)).sum() / on[-1])
