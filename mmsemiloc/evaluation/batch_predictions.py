"""Predictions of a classifier for a batch, with the maps that belong to them."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from mmsemiloc.evaluation.maps import resize_maps
from mmsemiloc.models import class_maps
from mmsemiloc.models.cam import NoMapsError

NO_MAPS = 'gives_no_maps'  # attribute of a model that was found to have none


def maps_of_classes(
    maps: Tensor, classes: Tensor, size: Sequence[int], images: Sequence[Tensor]
) -> list[np.ndarray]:
    """One map of each image, at its size.

    Args:
        maps: Class activation maps (T, C, h, w).
        classes: Which map of each image (T,).
        size: (H, W) of the network's input, which is padded to one size.
        images: T images (3, H, W) without that padding.
    """
    chosen = maps[range(len(maps)), classes]
    padded = resize_maps(chosen, size).cpu().numpy()
    return [
        cam[: image.shape[-2], : image.shape[-1]] for cam, image in zip(padded, images, strict=True)
    ]


@torch.no_grad()
def predict_with_maps(model: nn.Module, data: dict) -> tuple[Tensor, list[np.ndarray]]:
    """Class scores of a batch, and the maps of the predicted classes.

    Args:
        model: As for :func:`class_maps`, with its ``data_preprocessor``.
        data: ``inputs``, T images (3, H, W), perhaps with ``data_samples``, as a dataloader hands
            them out.

    Returns:
        Scores (T, C), and for each image the map (H, W) of the predicted class at its size, without
        the padding of the batch.

    Raises:
        NoMapsError: If the head gives no maps.
        ValueError: If a class score is not finite.
    """
    inputs = model.data_preprocessor(data, False)['inputs']
    logits, maps = class_maps(model, inputs)
    cams = maps_of_classes(maps, logits.argmax(1), inputs.shape[-2:], data['inputs'])
    return logits, cams


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
            # Not tried again for each batch: it would run the backbone twice.
            setattr(model, NO_MAPS, True)

    samples = model(inputs, mode='predict')
    probabilities = torch.stack([sample.pred_score for sample in samples]).float()
    bad = int((~probabilities.isfinite()).sum())
    if bad:
        raise ValueError(f'{bad} of {probabilities.numel()} class scores are not finite')
    return probabilities, None


@torch.no_grad()
def predict_batch(
    model: nn.Module, data: dict, need_maps: bool = False
) -> tuple[np.ndarray, Sequence[np.ndarray | None]]:
    """Probabilities of a batch, and the maps of the predicted classes where the model has them.

    Args:
        model: A classifier with its ``data_preprocessor``, in evaluation mode.
        data: As for :func:`predict_with_maps`.
        need_maps: Whether a model without maps is an error.

    Returns:
        Probabilities (T, C), and for each image the map (H, W) of the predicted class at its size,
        without the padding of the batch; None of a model without maps.

    Raises:
        NoMapsError: If the model has no maps but needs them.
        ValueError: If a class score is not finite.
    """
    inputs = model.data_preprocessor(data, False)['inputs']
    probabilities, maps = probabilities_and_maps(model, inputs, need_maps)
    if maps is None:
        return probabilities.cpu().numpy(), [None] * len(probabilities)

    cams = maps_of_classes(maps, probabilities.argmax(1), inputs.shape[-2:], data['inputs'])
    return probabilities.cpu().numpy(), cams
