"""Class, confidence, map and box for images from files."""
import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.registry import init_default_scope
from torch import Tensor, nn

from mmsemiloc.datasets.faults import cannot_be_read
from mmsemiloc.datasets.image_listing import EXTENSIONS
from mmsemiloc.evaluation import resize_maps
from mmsemiloc.models import class_maps

LOADER = 'LoadImageFromFile'


@dataclass(frozen=True)
class Prediction:
    """What a classifier says of one image.

    Attributes:
        path: Its file.
        labels: The most probable classes, best first (K,).
        confidences: Their probabilities (K,).
        image: The image as the model saw it, RGB uint8 (H, W, 3).
        cam: Map of the most probable class at its size (H, W).
        box: [x1, y1, x2, y2] in its pixels, x2 and y2 outside; None if the map has no positive value.
    """
    path: Path
    labels: list[int]
    confidences: list[float]
    image: np.ndarray
    cam: np.ndarray
    box: list[int] | None


def find_images(paths: Iterable[Path]) -> list[Path]:
    """The given files, and the images below the given folders in the order of their names.

    Raises:
        ValueError: If a folder has no image.
    """
    found: list[Path] = []
    for path in paths:
        if not path.is_dir():
            found.append(path)
            continue
        below = sorted(file for file in path.rglob('*') if file.suffix.lower() in EXTENSIONS)
        if not below:
            raise ValueError(f'no image in {path}: looked for {" ".join(EXTENSIONS)}')
        found += below
    return found


def file_pipeline(pipeline: Sequence[dict]) -> list[dict]:
    """A test pipeline for image files without labels: the file is read first, labels and boxes are not loaded."""
    def name(transform: dict) -> str:
        return str(transform['type']).rpartition('.')[2]

    kept = [transform for transform in pipeline if name(transform) == LOADER or not name(transform).startswith('Load')]
    return kept if LOADER in map(name, kept) else [dict(type=LOADER), *kept]


def image_pipeline(cfg: Config) -> Compose:
    """The transforms of a config's test images, for image files; see :func:`file_pipeline`.

    Raises:
        ValueError: If the config has none.
    """
    dataset = (cfg.get('test_dataloader') or {}).get('dataset') or {}
    if 'pipeline' not in dataset:
        raise ValueError('the config has no test_dataloader.dataset.pipeline')
    init_default_scope(cfg.get('default_scope', 'mmpretrain'))
    return Compose(file_pipeline(dataset['pipeline']))


def read_images(paths: Iterable[Path], pipeline: Compose) -> tuple[list[tuple[Path, Tensor]], dict[Path, str]]:
    """Images (3, H, W) as the pipeline gives them, and for each unreadable file the reason."""
    images, faults = [], {}
    for path in paths:
        try:
            images.append((path, pipeline(dict(img_path=str(path)))['inputs']))
        except Exception as error:
            if not cannot_be_read(error):
                raise
            faults[path] = f'{type(error).__name__}: {" ".join(str(error).split())}'
    return images, faults


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
    contours, _ = cv2.findContours((cam > threshold * cam.max()).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    x, y, width, height = cv2.boundingRect(max(contours, key=cv2.contourArea))
    return [x, y, x + width, y + height]


@torch.no_grad()
def predict(model: nn.Module, images: Sequence[tuple[Path, Tensor]], topk: int, threshold: float) -> list[Prediction]:
    """Predictions of a batch; images of different sizes are not padded to one, which would change them.

    Args:
        model: As for :func:`class_maps`, with its ``data_preprocessor``.
        images: Files and images (3, H, W), not normalised, BGR, 0 to 255.
        topk: How many classes to name.
        threshold: As for :func:`largest_box`.
    """
    predictions = []
    for _, group in itertools.groupby(images, key=lambda item: item[1].shape):
        paths, tensors = zip(*group, strict=True)
        inputs = model.data_preprocessor(dict(inputs=list(tensors)), False)['inputs']
        logits, maps = class_maps(model, inputs)
        best = logits.float().softmax(1).topk(min(topk, logits.size(1)))
        cams = resize_maps(maps[range(len(maps)), best.indices[:, 0]], inputs.shape[-2:]).cpu().numpy()
        for path, image, labels, confidences, padded in zip(paths, tensors, best.indices.tolist(), best.values.tolist(), cams,
                                                            strict=True):
            cam = padded[:image.shape[-2], :image.shape[-1]]  # a preprocessor may pad to a multiple of some size
            shown = np.ascontiguousarray(image.clamp(0, 255).byte().numpy().transpose(1, 2, 0)[..., ::-1])
            predictions.append(Prediction(path, labels, confidences, shown, cam, largest_box(cam, threshold)))
    return predictions


def predict_files(model: nn.Module, paths: Sequence[Path], pipeline: Compose, *, batch_size: int, topk: int, threshold: float,
                  done: Callable[[list[Prediction], dict[Path, str]], None]) -> None:
    """Read and predict batch after batch, and hand each one's predictions and unreadable files to ``done``."""
    for start in range(0, len(paths), batch_size):
        images, faults = read_images(paths[start:start + batch_size], pipeline)
        done(predict(model, images, topk, threshold), faults)
