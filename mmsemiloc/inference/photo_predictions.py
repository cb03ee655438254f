"""Class, confidence, map and box of photos."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from mmengine.dataset import Compose
from torch import nn

from mmsemiloc.evaluation import predict_batch
from mmsemiloc.inference.photos import Photo, PhotoReader, read_images
from mmsemiloc.visualization.pictures import to_bgr


@dataclass(frozen=True)
class Prediction:
    """What a classifier predicts for one photo.

    Attributes:
        path: Its file.
        labels: The most probable classes, best first (K,).
        confidences: Their probabilities (K,).
        image: The image as the model saw it, RGB uint8 (H, W, 3).
        cam: Map of the most probable class at its size (H, W); None if the model has no maps.
        box: [x1, y1, x2, y2] in its pixels, x2 and y2 outside; None if the map has no positive
            value.
        photo_box: The same in pixels of the photo as it is shown (upright); None if that cannot
            be told.
    """

    path: Path
    labels: list[int]
    confidences: list[float]
    image: np.ndarray
    cam: np.ndarray | None
    box: list[int] | None
    photo_box: list[int] | None


def largest_box(cam: np.ndarray, threshold: float) -> list[int] | None:
    """Box of the largest contour of the places above a threshold.

    Args:
        cam: Map (H, W).
        threshold: Share of the map's maximum, from 0 to below 1.

    Returns:
        [x1, y1, x2, y2], x2 and y2 outside; None if the map has no positive value.
    """
    if not cam.max() > 0:
        return None
    contours, _ = cv2.findContours(
        (cam > threshold * cam.max()).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
    )
    x, y, width, height = cv2.boundingRect(max(contours, key=cv2.contourArea))
    return [x, y, x + width, y + height]


def predict(
    model: nn.Module, images: Sequence[Photo], topk: int, threshold: float
) -> list[Prediction]:
    """Predictions of photos.

    Those of different sizes are not padded to one size, which would change them.

    Args:
        model: A classifier with its ``data_preprocessor``, in evaluation mode; for maps as for
            :func:`class_maps`.
        images: Files and images, not normalised, BGR, 0 to 255.
        topk: How many classes to name.
        threshold: As for :func:`largest_box`.
    """
    predictions = []
    for _, part in itertools.groupby(images, key=lambda photo: photo.image.shape):
        group = list(part)
        inputs = [photo.image for photo in group]
        probabilities, cams = predict_batch(model, dict(inputs=inputs))
        for photo, scores, cam in zip(group, probabilities, cams, strict=True):
            predictions.append(describe(photo, scores, cam, topk, threshold))
    return predictions


def describe(
    photo: Photo, scores: np.ndarray, cam: np.ndarray | None, topk: int, threshold: float
) -> Prediction:
    """The prediction of a photo with its probabilities (C,) and map (H, W)."""
    labels = torch.from_numpy(scores).topk(min(topk, len(scores)))
    box = None if cam is None else largest_box(cam, threshold)
    return Prediction(
        path=photo.path,
        labels=labels.indices.tolist(),
        confidences=labels.values.tolist(),
        image=np.ascontiguousarray(to_bgr(photo.image)[..., ::-1]),
        cam=cam,
        box=box,
        photo_box=photo.places.box(box) if photo.places and box else None,
    )


def predict_files(
    model: nn.Module,
    paths: Sequence[Path],
    pipeline: Compose,
    *,
    batch_size: int,
    topk: int,
    threshold: float,
    done: Callable[[list[Prediction], dict[Path, str]], None],
) -> None:
    """Read and predict photos batch after batch.

    Args:
        model: As for :func:`predict`.
        paths: The files.
        pipeline: See :func:`image_pipeline`.
        batch_size: Photos at once.
        topk: How many classes to name.
        threshold: As for :func:`largest_box`.
        done: Called after each batch with its predictions, and its unreadable files with the
            reasons.
    """
    reader = PhotoReader(pipeline)
    for start in range(0, len(paths), batch_size):
        images, faults = read_images(paths[start : start + batch_size], reader)
        done(predict(model, images, topk, threshold), faults)
