"""The one loop that predicts images and scores their maps."""

import contextlib
import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from mmsemiloc.evaluation.map_scores import MapScore, score_map
from mmsemiloc.evaluation.maps import resize_maps
from mmsemiloc.models import class_maps
from mmsemiloc.models.cam import NoMapsError

NO_MAPS = 'gives_no_maps'  # attribute of a model that was found to have none
NO_SCORE = MapScore(area=float('nan'))  # of an image without a map


@contextlib.contextmanager
def naming(name: str) -> Iterator[None]:
    """Put the name of an image before the message of every ``ValueError`` inside of ``with``."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f'{name}: {error}') from error


def image_name(sample: DataSample | Mapping, index: object) -> str:
    """An image's path, or its number without one."""
    return sample.get('img_path') or f'image {index}'


def true_boxes(sample: DataSample) -> np.ndarray:
    """Boxes (N, 4) [x1, y1, x2, y2] of a data sample in pixels of the network's input.

    N is 0 if it has none.
    """
    return np.reshape(np.asarray(sample.get('gt_bboxes', ()), np.float32), (-1, 4))


def true_class(sample: DataSample, index: int) -> int:
    """The label of an image.

    Raises:
        ValueError: With the image, if it has none.
    """
    if 'gt_label' not in sample:
        raise ValueError(
            f'{image_name(sample, index)} has no label, which is needed to measure accuracy'
        )
    return int(sample.gt_label)


@dataclass(frozen=True)
class ScoredImage:
    """An image, its prediction, and how well the map of the predicted class finds the true boxes.

    Attributes:
        image: (3, H, W), as the dataloader hands it out.
        sample: Its data sample.
        index: Its number.
        probabilities: (C,).
        cam: Map (H, W) of the predicted class; None of a model without maps.
        boxes: True boxes (N, 4) in pixels; N may be 0.
        score: That of the map; its values are NaN without one.
    """

    image: Tensor
    sample: DataSample
    index: int
    probabilities: np.ndarray
    cam: np.ndarray | None
    boxes: np.ndarray
    score: MapScore

    @property
    def size(self) -> tuple[int, int]:
        """(H, W)."""
        height, width = self.image.shape[-2:]
        return height, width

    @property
    def label(self) -> int | None:
        """The true class; None without a label."""
        return int(self.sample.gt_label) if 'gt_label' in self.sample else None

    @property
    def predicted(self) -> int:
        """The most probable class."""
        return int(self.probabilities.argmax())


def probabilities_and_maps(
    model: nn.Module, inputs: Tensor, need_maps: bool = False
) -> tuple[Tensor, Tensor | None]:
    """Probabilities (T, C), and class activation maps (T, C, h, w) where the model has them.

    Args:
        model: A classifier in evaluation mode.
        inputs: Normalised images (T, 3, H, W).
        need_maps: Whether a model without maps is an error.

    Raises:
        NoMapsError: If the model has no maps but needs them.
        ValueError: If a class score is not finite.
    """
    if need_maps or not getattr(model, NO_MAPS, False):
        try:
            logits, maps = class_maps(model, inputs)
            return logits.float().softmax(1), maps
        except NoMapsError:
            if need_maps:
                raise
            setattr(model, NO_MAPS, True)  # does not need to be tried for each batch

    samples = model(inputs, mode='predict')
    probabilities = torch.stack([sample.pred_score for sample in samples]).float()
    bad = int((~probabilities.isfinite()).sum())
    if bad:
        raise ValueError(f'{bad} of {probabilities.numel()} class scores are not finite')
    return probabilities, None


@torch.no_grad()
def predict_batch(
    model: nn.Module, data: dict, need_maps: bool = False
) -> tuple[np.ndarray, list[np.ndarray | None]]:
    """Probabilities of a batch, and the maps of the predicted classes.

    Args:
        model: A classifier with its ``data_preprocessor``, in evaluation mode.
        data: ``inputs``, T images (3, H, W), perhaps with ``data_samples``, as a dataloader hands
            them out.
        need_maps: Whether a model without maps is an error.

    Returns:
        Probabilities (T, C), and for each image the map (H, W) of the predicted class at its size,
        without the padding of the batch; None of a model without maps.

    Raises:
        ValueError: If the model gives no maps but needs them, or a class score is not finite.
    """
    inputs = model.data_preprocessor(data, False)['inputs']
    probabilities, maps = probabilities_and_maps(model, inputs, need_maps)
    if maps is None:
        return probabilities.cpu().numpy(), [None] * len(probabilities)

    best = maps[range(len(maps)), probabilities.argmax(1)]
    padded = resize_maps(best, inputs.shape[-2:]).cpu().numpy()
    return probabilities.cpu().numpy(), [
        cam[: image.shape[-2], : image.shape[-1]]
        for cam, image in zip(padded, data['inputs'], strict=True)
    ]


def scored_batches(
    model: nn.Module,
    batches: Iterable[dict],
    numbers: Iterable[int] | None = None,
    need_maps: bool = True,
) -> Iterator[list[ScoredImage]]:
    """Predict and score images, batch after batch.

    Args:
        model: As for :func:`predict_batch`.
        batches: ``inputs`` and ``data_samples`` of each, as a dataloader hands them out;
            ``gt_bboxes`` are in pixels of the inputs.
        numbers: What the images are called in messages; by default they are counted from 0.
        need_maps: Whether a model without maps is an error.

    Raises:
        ValueError: With the image's path or number, if a map is not finite or a box is not in its
            image.
    """
    indices = iter(itertools.count() if numbers is None else numbers)
    for data in batches:
        probabilities, cams = predict_batch(model, data, need_maps)
        images, samples = data['inputs'], data['data_samples']
        batch = []
        for image, sample, scores, cam in zip(images, samples, probabilities, cams, strict=True):
            index, boxes = next(indices), true_boxes(sample)
            with naming(image_name(sample, index)):
                score = NO_SCORE if cam is None else score_map(cam, boxes)
            batch.append(ScoredImage(image, sample, index, scores, cam, boxes, score))
        yield batch
