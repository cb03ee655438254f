"""Predictions of a classifier, with the maps that belong to them."""

import numpy as np
import torch
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from mmsemiloc.evaluation.map_scores import MapScore, score_map
from mmsemiloc.evaluation.maps import resize_maps
from mmsemiloc.models import class_maps


@torch.no_grad()
def predict_with_maps(model: nn.Module, data: dict) -> tuple[Tensor, list[np.ndarray]]:
    """Class scores and class activation maps of a batch.

    Args:
        model: As for :func:`class_maps`, with its ``data_preprocessor``.
        data: ``inputs``, T images (3, H, W), and ``data_samples``, as a dataloader hands them out.

    Returns:
        Scores (T, C), and for each image the map (H, W) of the predicted class at its size, without
        the padding of the batch.

    Raises:
        ValueError: If the head gives no maps, or a class score is not finite.
    """
    inputs = model.data_preprocessor(data, False)['inputs']
    logits, all_maps = class_maps(model, inputs)
    maps = (
        resize_maps(all_maps[range(len(all_maps)), logits.argmax(1)], inputs.shape[-2:])
        .cpu()
        .numpy()
    )
    return logits, [
        cam[: image.shape[-2], : image.shape[-1]]
        for cam, image in zip(maps, data['inputs'], strict=True)
    ]


def true_boxes(sample: DataSample) -> np.ndarray:
    """Boxes (N, 4) [x1, y1, x2, y2] of a data sample in pixels of the network's input.

    N is 0 if it has none.
    """
    return np.reshape(np.asarray(sample.get('gt_bboxes', ()), np.float32), (-1, 4))


def image_name(sample: DataSample, index: int) -> str:
    """An image's path, or its number without one."""
    return sample.get('img_path') or f'image {index}'


def score_sample(cam: np.ndarray, sample: DataSample, index: int) -> MapScore:
    """:func:`score_map` of a map (H, W) for the boxes of its image.

    Raises:
        ValueError: With the image's path or ``index``, if the map is not finite or a box is not in
            the image.
    """
    try:
        return score_map(cam, true_boxes(sample))
    except ValueError as error:
        raise ValueError(f'{image_name(sample, index)}: {error}') from error


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
