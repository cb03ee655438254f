"""Pictures of how a map changes: one strip an image, one column a moment of the training."""

import os
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch

HEIGHT = 128  # of the image, in pixels
TITLE = 18  # of the line above it


def to_bgr(image: torch.Tensor) -> np.ndarray:
    """An image (H, W, 3) uint8 of the tensor (3, H, W) or (1, H, W), 0 to 255, of a pipeline."""
    shown = image.clamp(0, 255).byte().cpu().numpy().transpose(1, 2, 0)
    return np.ascontiguousarray(np.broadcast_to(shown, (*shown.shape[:2], 3)))


def draw_column(
    image: np.ndarray, cam: np.ndarray | None, boxes: np.ndarray, title: str
) -> np.ndarray:
    """An image, or its grey version under a map, with boxes and a title.

    Args:
        image: BGR uint8 (H, W, 3).
        cam: Map (H, W); its positive part is shown, from 0 to its largest value. None: the image
            alone.
        boxes: (N, 4) [x1, y1, x2, y2] in pixels, x2 and y2 outside.
        title: A few ASCII characters.

    Returns:
        BGR uint8 (TITLE + HEIGHT, width, 3).
    """
    scale = HEIGHT / image.shape[0]
    drawn = image.copy()
    if cam is not None:
        positive = np.maximum(cam, 0)
        strength = positive / max(positive.max(), np.finfo(np.float32).tiny)
        heat = cv2.applyColorMap((255 * strength).astype(np.uint8), cv2.COLORMAP_INFERNO)
        alpha = (0.25 + 0.5 * strength)[..., None]
        drawn = ((1 - alpha) * image.mean(2, keepdims=True) + alpha * heat).astype(np.uint8)
    drawn = cv2.resize(
        drawn, (max(1, round(scale * image.shape[1])), HEIGHT), interpolation=cv2.INTER_NEAREST
    )
    for x1, y1, x2, y2 in np.rint(scale * boxes).astype(int).tolist():
        for color, line in (
            ((0, 0, 0), 3),
            ((106, 255, 57), 1),
        ):  # a dark rim keeps the box visible on bright images
            cv2.rectangle(drawn, (x1, y1), (x2 - 1, y2 - 1), color, line)
    text = np.full((TITLE, drawn.shape[1], 3), 255, np.uint8)
    cv2.putText(
        text, title, (3, TITLE - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (0, 0, 0), 1, cv2.LINE_AA
    )
    return np.vstack([text, drawn])


def append_column(path: Path, column: np.ndarray, place: int) -> None:
    """Write a column as number ``place`` of a strip, a .png: what stood there and after it is gone,
    what is missing white.
    """
    width = column.shape[1]
    strip = np.full((len(column), (place + 1) * width, 3), 255, np.uint8)
    old = cv2.imread(str(path)) if place and path.is_file() else None
    if old is not None and len(old) == len(column):
        kept = old[:, : place * width]
        strip[:, : kept.shape[1]] = kept
    strip[:, place * width :] = column
    replace_file(path, cv2.imencode('.png', strip)[1].tobytes())


def replace_file(path: Path, content: bytes) -> None:
    """Write a file that is never half written."""
    partial = path.with_suffix('.partial')
    partial.write_bytes(content)
    os.replace(partial, path)


def to_csv(rows: Sequence[dict]) -> bytes:
    """Rows of numbers with a line of names; None is left empty."""
    lines = [
        list(rows[0]),
        *(['' if value is None else f'{value:.10g}' for value in row.values()] for row in rows),
    ]
    return ''.join(','.join(line) + '\n' for line in lines).encode()
