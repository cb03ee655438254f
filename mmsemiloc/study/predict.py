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

from mmsemiloc.datasets.images.errors import (
    cannot_be_read,
    in_words,
    transform_error,
    transform_name,
)
from mmsemiloc.datasets.images.loading import ours
from mmsemiloc.datasets.listing.endings import EXTENSIONS
from mmsemiloc.datasets.listing.trees import list_tree
from mmsemiloc.evaluation import resize_maps
from mmsemiloc.models import class_maps
from mmsemiloc.models.cam import NoMapsError
from mmsemiloc.study.photo_boxes import ToPhoto, measure
from mmsemiloc.visualization.cam_strips import to_bgr

LOADER = 'LoadImageFromFile'
NO_MAPS = 'gives_no_maps'  # attribute of a model that was found to have none


@dataclass(frozen=True)
class Photo:
    """A file that has been read.

    Attributes:
        path: The file.
        image: As the pipeline gives it (3, H, W) or (1, H, W).
        places: Where its places lie in the photo; None if that cannot be told.
    """

    path: Path
    image: Tensor
    places: ToPhoto | None = None


@dataclass(frozen=True)
class Prediction:
    """What a classifier says of one image.

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


def find_images(
    paths: Iterable[Path], out: Path | None = None, say: Callable[[str], None] = lambda line: None
) -> list[Path]:
    """The given files, and the images below the given folders by their names; none twice.

    What is hidden or foreign, or no image by its ending, is left out of folders.

    Args:
        paths: Files and folders.
        out: Folder that results are written to. Pictures of an earlier run in it are no photos.
        say: Called with a line about each kind of what is left out.

    Raises:
        ValueError: If a folder has no image, or ``out`` is one of the folders.
    """
    found: list[Path] = []
    for path in paths:
        if not path.is_dir():
            found.append(path)
            continue
        if out is not None and out.resolve() == path.resolve():
            raise ValueError(
                f'{out} is both the folder of the images and that of the results: '
                'choose another --out'
            )
        tree = list_tree(path)
        for line in tree.left_out.lines(path):
            say(line)
        below = [path / name for name in sorted(tree.images)]
        if out is not None and out.resolve().is_relative_to(path.resolve()):
            photos = [file for file in below if not file.resolve().is_relative_to(out.resolve())]
            if len(photos) < len(below):
                number = len(below) - len(photos)
                files = '1 image' if number == 1 else f'{number} images'
                say(f'{files} in {out} left out: it is the folder of the results')
            below = photos
        if not below:
            raise ValueError(f'no image in {path}: looked for {" ".join(EXTENSIONS)}')
        found += below
    return list(dict.fromkeys(found))


def file_pipeline(pipeline: Sequence[dict]) -> list[dict]:
    """A test pipeline for image files without labels: the file is read first, labels and boxes are
    not loaded.
    """

    def name(transform: dict) -> str:
        return str(transform['type']).rpartition('.')[2]

    kept = [
        transform
        for transform in pipeline
        if name(transform) == LOADER or not name(transform).startswith('Load')
    ]
    return kept if LOADER in map(name, kept) else [dict(type=LOADER), *kept]


def pipeline_of(dataset: dict) -> list[dict] | None:
    """The transforms in the config of a dataset, or of the first one that it is made of."""
    if 'pipeline' in dataset:
        return dataset['pipeline']
    inner = dataset.get('dataset') or next(iter(dataset.get('datasets') or ()), None)
    return pipeline_of(inner) if isinstance(inner, dict) else None


def image_pipeline(cfg: Config) -> Compose:
    """The transforms of a config's test images, for image files; see :func:`file_pipeline`.

    Raises:
        ValueError: If the config has none.
    """
    pipeline = pipeline_of((cfg.get('test_dataloader') or {}).get('dataset') or {})
    if pipeline is None:
        raise ValueError('the config has no test_dataloader.dataset.pipeline')
    init_default_scope(cfg.get('default_scope', 'mmpretrain'))
    composed = Compose(file_pipeline(pipeline))
    composed.transforms[:] = [ours(transform) for transform in composed.transforms]
    return composed


class PhotoReader:
    """Reads image files and finds out where the places of the result lie in the photo.

    Args:
        pipeline: See :func:`image_pipeline`.
    """

    def __init__(self, pipeline: Compose) -> None:
        names = [transform_name(transform) for transform in pipeline.transforms]
        first = names.index(LOADER) + 1 if LOADER in names else 0
        self.load = Compose(pipeline.transforms[:first])
        self.rest = Compose(pipeline.transforms[first:])
        self._places: dict[tuple, ToPhoto | None] = {}  # photos of one size have them in common

    def read(self, path: Path) -> Photo:
        """Read a file."""
        results = self.load(dict(img_path=str(path)))
        image = results.get('img')
        places = self.places(results) if isinstance(image, np.ndarray) else None
        return Photo(path, self.rest(results)['inputs'], places)

    def places(self, results: dict) -> ToPhoto | None:
        """Where the places of the result lie."""
        key = (results['img'].shape, results['img'].dtype.str)
        if key not in self._places:
            self._places[key] = measure(self.rest, results)
        return self._places[key]


def read_images(
    paths: Iterable[Path], pipeline: Compose | PhotoReader
) -> tuple[list[Photo], dict[Path, str]]:
    """Images as the pipeline gives them, and for each unreadable file the reason.

    Raises:
        TransformError: If a transform other than the loading one fails.
    """
    reader = pipeline if isinstance(pipeline, PhotoReader) else PhotoReader(pipeline)
    images, faults = [], {}
    for path in paths:
        try:
            images.append(reader.read(path))
        except Exception as error:
            if not cannot_be_read(error):
                raise transform_error(error, str(path)) from error
            faults[path] = in_words(error)
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
    contours, _ = cv2.findContours(
        (cam > threshold * cam.max()).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
    )
    x, y, width, height = cv2.boundingRect(max(contours, key=cv2.contourArea))
    return [x, y, x + width, y + height]


def scores_and_maps(model: nn.Module, inputs: Tensor) -> tuple[Tensor, Tensor | None]:
    """Probabilities (T, C), and class activation maps (T, C, h, w); None if the model has none.

    Raises:
        ValueError: If a probability is not finite.
    """
    if not getattr(model, NO_MAPS, False):
        try:
            logits, maps = class_maps(model, inputs)
            return logits.float().softmax(1), maps
        except NoMapsError:
            setattr(model, NO_MAPS, True)  # needs not be tried for each batch
    samples = model(inputs, mode='predict')
    probabilities = torch.stack([sample.pred_score for sample in samples]).float()
    if not probabilities.isfinite().all():
        count = int((~probabilities.isfinite()).sum())
        raise ValueError(f'{count} of {probabilities.numel()} class scores are not finite')
    return probabilities, None


@torch.no_grad()
def predict(
    model: nn.Module, images: Sequence[Photo], topk: int, threshold: float
) -> list[Prediction]:
    """Predictions of a batch; images of different sizes are not padded to one, which would change
    them.

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
        batch = dict(inputs=[photo.image for photo in group])
        inputs = model.data_preprocessor(batch, False)['inputs']
        probabilities, maps = scores_and_maps(model, inputs)
        best = probabilities.topk(min(topk, probabilities.size(1)))
        labels, confidences = best.indices.tolist(), best.values.tolist()
        cams: Sequence[np.ndarray | None] = [None] * len(group)
        if maps is not None:
            chosen = maps[range(len(maps)), best.indices[:, 0]]
            cams = list(resize_maps(chosen, inputs.shape[-2:]).cpu().numpy())
        for index, photo in enumerate(group):
            # A preprocessor may pad to a multiple of some size.
            padded = cams[index]
            cam = (
                None if padded is None else padded[: photo.image.shape[-2], : photo.image.shape[-1]]
            )
            box = None if cam is None else largest_box(cam, threshold)
            photo_box = photo.places.box(box) if photo.places and box else None
            shown = np.ascontiguousarray(to_bgr(photo.image)[..., ::-1])
            predictions.append(
                Prediction(
                    photo.path, labels[index], confidences[index], shown, cam, box, photo_box
                )
            )
    return predictions


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
    """Read and predict batch after batch, and hand each one's predictions and unreadable files to
    ``done``.
    """
    reader = PhotoReader(pipeline)
    for start in range(0, len(paths), batch_size):
        images, faults = read_images(paths[start : start + batch_size], reader)
        done(predict(model, images, topk, threshold), faults)
