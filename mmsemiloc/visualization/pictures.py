"""Pictures of an image with its map and boxes, alone and in strips that grow over a run."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch

from mmsemiloc.files import write_whole

HEIGHT = 128  # of the image in a strip, in pixels
TITLE = 18  # of the line above it
GREEN = (106, 255, 57)  # BGR, of a box


def to_bgr(image: torch.Tensor) -> np.ndarray:
    """An image (H, W, 3) uint8 of the tensor (3, H, W) or (1, H, W), 0 to 255, of a pipeline."""
    shown = image.clamp(0, 255).byte().cpu().numpy().transpose(1, 2, 0)
    return np.ascontiguousarray(np.broadcast_to(shown, (*shown.shape[:2], 3)))


def to_png(image: np.ndarray) -> bytes:
    """PNG of BGR uint8 (H, W, 3)."""
    return cv2.imencode('.png', image)[1].tobytes()


def draw_map(
    image: np.ndarray,
    cam: np.ndarray | None,
    boxes: np.ndarray | Sequence[Sequence[float]],
    scale: float,
    line: int = 1,
) -> np.ndarray:
    """An image, or its grey version under a map, with boxes.

    Args:
        image: BGR uint8 (H, W, 3).
        cam: Map (H, W); its positive part is shown, from 0 to its largest value. None: the image
            alone.
        boxes: (N, 4) [x1, y1, x2, y2] in pixels of the image, x2 and y2 outside.
        scale: Pixels of the picture per pixel of the image.
        line: Width of a box's line in pixels.

    Returns:
        BGR uint8 (scale H, scale W, 3).
    """
    drawn = image.copy()
    if cam is not None:
        positive = np.maximum(cam, 0)
        strength = positive / max(positive.max(), np.finfo(np.float32).tiny)
        heat = cv2.applyColorMap((255 * strength).astype(np.uint8), cv2.COLORMAP_INFERNO)
        alpha = (0.25 + 0.5 * strength)[..., None]
        drawn = ((1 - alpha) * image.mean(2, keepdims=True) + alpha * heat).astype(np.uint8)

    height, width = (max(1, round(scale * length)) for length in image.shape[:2])
    # Enlarged pixels stay squares; when an image shrinks, each pixel has its share.
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST
    drawn = cv2.resize(drawn, (width, height), interpolation=how)
    for x1, y1, x2, y2 in np.rint(scale * np.reshape(boxes, (-1, 4))).astype(int).tolist():
        # A dark rim keeps the box visible on bright images.
        for color, thickness in (((0, 0, 0), line + 2), (GREEN, line)):
            cv2.rectangle(drawn, (x1, y1), (x2 - 1, y2 - 1), color, thickness)
    return drawn


def image_picture(
    image: np.ndarray,
    cam: np.ndarray | None = None,
    boxes: np.ndarray | Sequence[Sequence[float]] = (),
    size: int = 200,
) -> bytes:
    """PNG of an RGB image (H, W, 3) with its map and boxes; see :func:`draw_map`.

    Args:
        image: RGB uint8 (H, W, 3).
        cam: Map (H, W), or None.
        boxes: (N, 4) in pixels.
        size: Pixels of the picture's longer side.
    """
    scale = size / max(image.shape[:2])
    return to_png(draw_map(np.ascontiguousarray(image[..., ::-1]), cam, boxes, scale, line=2))


def draw_column(
    image: np.ndarray, cam: np.ndarray | None, boxes: np.ndarray, title: str
) -> np.ndarray:
    """One column of a strip: an image with its map and boxes below a title.

    Args:
        image: BGR uint8 (H, W, 3).
        cam: See :func:`draw_map`.
        boxes: See :func:`draw_map`.
        title: A few ASCII characters.

    Returns:
        BGR uint8 (TITLE + HEIGHT, width, 3).
    """
    drawn = draw_map(image, cam, boxes, HEIGHT / image.shape[0])
    text = np.full((TITLE, drawn.shape[1], 3), 255, np.uint8)
    place, font = (3, TITLE - 6), cv2.FONT_HERSHEY_SIMPLEX
    cv2.putText(text, title, place, font, 0.4, (0, 0, 0), 1, cv2.LINE_AA)
    return np.vstack([text, drawn])


def append_column(path: Path, column: np.ndarray, place: int) -> None:
    """Write a column as number ``place`` of a strip, which then ends with it.

    Args:
        path: A .png file. Its columns before ``place`` are kept; what is missing is white.
        column: BGR uint8 (H, W, 3).
        place: Number of the column, from 0 on.
    """
    width = column.shape[1]
    strip = np.full((len(column), (place + 1) * width, 3), 255, np.uint8)

    # A resumed run replaces the columns after its checkpoint.
    old = cv2.imread(str(path)) if place and path.is_file() else None
    if old is not None and len(old) == len(column):
        kept = old[:, : place * width]
        strip[:, : kept.shape[1]] = kept

    strip[:, place * width :] = column
    write_whole(path, to_png(strip))
