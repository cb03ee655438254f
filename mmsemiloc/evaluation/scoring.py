"""The one loop that predicts images and scores their maps."""

import contextlib
import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from mmsemiloc.evaluation.batch_predictions import predict_batch
from mmsemiloc.evaluation.image_scores import ImageScore, update
from mmsemiloc.evaluation.map_scores import MapScore, score_map


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


def label_of(sample: DataSample) -> int | None:
    """The true class of an image; None without a label."""
    return int(sample.gt_label) if 'gt_label' in sample else None


def true_class(sample: DataSample, index: int) -> int:
    """The true class of an image that needs one.

    Raises:
        ValueError: With the image, if it has none.
    """
    label = label_of(sample)
    if label is None:
        raise ValueError(
            f'{image_name(sample, index)} has no label, which is needed to measure accuracy'
        )
    return label


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
        score: That of the map as ``top1``, and of the baselines if they were asked for.
    """

    image: Tensor
    sample: DataSample
    index: int
    probabilities: np.ndarray
    cam: np.ndarray | None
    boxes: np.ndarray
    score: ImageScore

    @property
    def size(self) -> tuple[int, int]:
        """(H, W)."""
        height, width = self.image.shape[-2:]
        return height, width

    @property
    def label(self) -> int | None:
        """The true class; None without a label."""
        return label_of(self.sample)


def scored_batches(
    model: nn.Module,
    batches: Iterable[dict],
    numbers: Iterable[int] | None = None,
    need_maps: bool = True,
    baselines: bool = False,
) -> Iterator[list[ScoredImage]]:
    """Predict and score images, batch after batch.

    Args:
        model: As for :func:`predict_batch`.
        batches: ``inputs`` and ``data_samples`` of each, as a dataloader hands them out;
            ``gt_bboxes`` are in pixels of the inputs.
        numbers: What the images are called in messages; by default they are counted from 0.
        need_maps: Whether a model without maps is an error.
        baselines: Whether the uninformed baselines are scored too, see :func:`update`.

    Raises:
        NoMapsError: If the model has no maps but needs them.
        ValueError: With the image's path or number, if a map is not finite or a box is not in its
            image.
    """
    indices = iter(itertools.count() if numbers is None else numbers)
    for data in batches:
        probabilities, cams = predict_batch(model, data, need_maps)
        images, samples = data['inputs'], data['data_samples']

        batch = []
        for image, sample, row, cam in zip(images, samples, probabilities, cams, strict=True):
            index, boxes, label = next(indices), true_boxes(sample), label_of(sample)
            correct = None if label is None else int(row.argmax()) == label
            with naming(image_name(sample, index)):
                score = update(image.shape[-2:], boxes, cam, correct=correct, baselines=baselines)
            batch.append(ScoredImage(image, sample, index, row, cam, boxes, score))
        yield batch


def score_sample(cam: np.ndarray, sample: DataSample, index: int) -> MapScore:
    """:func:`score_map` of a map (H, W) for the true boxes of its image.

    Raises:
        ValueError: With the image's path or ``index``, if the map is not finite or a box is not in
            the image.
    """
    with naming(image_name(sample, index)):
        return score_map(cam, true_boxes(sample))
