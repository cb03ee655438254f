"""Class activation maps of a linear classifier over pooled features."""

import torch
from torch import Tensor, nn


class NoMapsError(ValueError):
    """A model has no class activation maps: its head is not linear over average-pooled maps."""


def relative_weight(fc_weight: Tensor) -> Tensor:
    """The weight (C, D) of a linear classifier minus its mean over the classes.

    It gives the same probabilities.

    Softmax does not change when the same number is added to all class scores, so the map of a class
    by itself says little: a network can classify by elimination, with maps of the other classes
    that are negative on the object while that of the right class is nearly zero. Maps with this
    weight show what speaks for a class rather than for the others, and their sum over the classes
    is zero at every place.
    """
    return fc_weight - fc_weight.mean(0)


def class_activation_maps(
    features: Tensor, fc_weight: Tensor, labels: Tensor | None = None
) -> Tensor:
    """Class activation maps, without bias and ReLU (reference [3] of the paper).

    ``C[y, x] = sum_d W[label, d] features[d, y, x]``
    The mean of a map over its places is the class score minus the bias.

    Args:
        features: The maps that global average pooling takes in (T, D, H, W).
        fc_weight: Weight of the linear classifier (C, D).
        labels: Class index of each image (T,); None for the maps of all classes.

    Returns:
        Maps (T, H, W), or (T, C, H, W) without ``labels``, in units of the class score.

    Raises:
        ValueError: If ``features`` are not maps.
    """
    if features.dim() != 4:
        raise ValueError(
            f'class activation maps need features (T, D, H, W), got {tuple(features.shape)}: '
            'CAMClsHead pools by itself, so remove the pooling neck of the model (neck=None), and '
            "let the backbone give maps: out_type='featmap' of a VisionTransformer, "
            'gap_before_final_norm=False of a ConvNeXt, maps=True of CachedFeatures'
        )
    if labels is None:
        return torch.einsum('cd,tdhw->tchw', fc_weight, features)
    return torch.einsum('td,tdhw->thw', fc_weight[labels], features)


def class_maps(model: nn.Module, inputs: Tensor) -> tuple[Tensor, Tensor]:
    """Class scores and maps of any classifier with a linear head over average-pooled maps.

    Works for mmpretrain's ``ImageClassifier`` with ``GlobalAveragePooling`` and ``LinearClsHead``
    as well as with ``CAMClsHead``: what counts is that the mean of a map plus the bias is the class
    score, which is checked. The maps of all classes are small beside what the backbone holds: 25 MB
    for 32 images, 1,000 classes and maps of 14x14.

    Args:
        model: A classifier with ``backbone``, ``head`` and perhaps ``neck``, in evaluation mode.
        inputs: Normalised images (T, 3, H, W).

    Returns:
        Class scores (T, C) and maps (T, C, h, w) in the same unit, h and w those of the backbone's
        last map; relative ones (:func:`relative_weight`) if the head has ``cam_relative``.

    Raises:
        NoMapsError: If the head is not linear over average-pooled maps.
        ValueError: If a class score is not finite.
    """
    feats = model.backbone(inputs)
    features, fc = feats[-1], getattr(model.head, 'fc', None)
    no_maps = NoMapsError(
        'class activation maps need a linear head over average-pooled maps, but '
        f'{type(model.head).__name__} over {type(model.backbone).__name__} is not one'
    )
    are_maps = isinstance(features, Tensor) and features.dim() == 4
    if not (isinstance(fc, nn.Linear) and are_maps and features.size(1) == fc.in_features):
        raise no_maps

    logits = model.head(feats if getattr(model, 'neck', None) is None else model.neck(feats))
    bad = int((~logits.isfinite()).sum())
    if bad:
        raise ValueError(f'{bad} of {logits.numel()} class scores are not finite')

    # The mean of a map plus the bias has to be the class score: nothing else is between them.
    maps = class_activation_maps(features, fc.weight)
    scores = maps.mean((2, 3)) + (0 if fc.bias is None else fc.bias)
    if not torch.allclose(scores, logits, rtol=1e-3, atol=1e-3 * float(logits.abs().max())):
        raise no_maps
    if getattr(model.head, 'cam_relative', False):
        maps = maps - maps.mean(1, keepdim=True)
    return logits, maps
