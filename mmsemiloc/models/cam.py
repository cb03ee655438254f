"""Class activation maps of a linear classifier over pooled features."""
import torch
from torch import Tensor


def class_activation_maps(features: Tensor, fc_weight: Tensor, labels: Tensor | None = None) -> Tensor:
    """``C[y, x] = sum_d W[label, d] features[d, y, x]``: no bias and no ReLU (reference [3] of the paper).

    The mean of a map over its places is the class score less the bias.

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
        raise ValueError(f'class activation maps need features (T, D, H, W), got {tuple(features.shape)}: remove the '
                         'pooling neck of the model (neck=None), CAMClsHead pools by itself')
    if labels is None:
        return torch.einsum('cd,tdhw->tchw', fc_weight, features)
    return torch.einsum('td,tdhw->thw', fc_weight[labels], features)
