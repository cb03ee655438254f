"""A backbone for features that were computed before: it hands them to the head."""

import torch
from mmengine.model import BaseModule
from torch import Tensor

from mmsemiloc.models.numerics import check_number
from mmsemiloc.registry import MODELS


def project_maps(maps: Tensor, mean: Tensor, basis: Tensor, scale: Tensor) -> Tensor:
    """``(x - mean) basis / scale`` at each place.

    Args:
        maps: Maps (N, D, H, W), or features (N, D).
        mean: (D,).
        basis: (D, d).
        scale: A number.

    Returns:
        Maps (N, d, H, W), or features (N, d).
    """
    return ((maps.movedim(1, -1) - mean) @ basis / scale).movedim(-1, 1)


@MODELS.register_module()
class CachedMaps(BaseModule):
    """Hands the features of ``CachedFeatures`` to the head, as they are or projected.

    The projection goes onto the principal components of the training images, see
    ``few_labels.Projection``; ``FeatureStartHook`` finds it, and checkpoints have it. Classifiers
    are trained faster behind it. It takes the mean from every place, so maps are others with it.
    Pooled features, which come as maps of one place, are none behind it: the head and the terms
    take them as pooled ones.

    Args:
        channels: D of the features.
        dims: Components d, the head's ``in_channels``; None for no projection.
        init_cfg: For ``BaseModule``.

    Raises:
        ValueError: If a number is out of range; on use, if the features have other channels, or
            the projection is not known.
    """

    mean: Tensor
    basis: Tensor
    scale: Tensor

    def __init__(
        self, channels: int, dims: int | None = None, init_cfg: dict | None = None
    ) -> None:
        super().__init__(init_cfg)
        check_number('model.backbone.channels', channels, 1, whole=True)
        if dims is not None:
            check_number('model.backbone.dims', dims, 1, whole=True)
            if dims > channels:
                raise ValueError(f'model.backbone.dims={dims} must be at most channels={channels}')
            self.register_buffer('mean', torch.zeros(channels))
            self.register_buffer('basis', torch.zeros(channels, dims))
            self.register_buffer('scale', torch.ones(()))
        self.channels, self.dims = channels, dims

    def set_projection(self, mean: Tensor, basis: Tensor, scale: float) -> None:
        """Take the projection from mean (D,), basis (D, d) and scale."""
        self.mean.copy_(mean)
        self.basis.copy_(basis)
        self.scale.fill_(scale)

    def forward(self, features: Tensor) -> tuple[Tensor]:
        """Maps (N, d, H, W) of maps (N, D, H, W), or features (N, d) of maps of one place."""
        if features.dim() != 4 or features.size(1) != self.channels:
            raise ValueError(
                f'CachedMaps takes features of model.backbone.channels={self.channels} channels, '
                f'got shape {tuple(features.shape)}: the data set has to be CachedFeatures, of as '
                'many channels'
            )
        if features.shape[2:] == (1, 1):
            features = features.flatten(1)
        if self.dims is None:
            return (features,)
        if not self.basis.any():
            raise ValueError(
                f'model.backbone.dims={self.dims}, but the projection is not known: add '
                "dict(type='mmsemiloc.FeatureStartHook') to custom_hooks, or load a checkpoint"
            )
        return (project_maps(features, self.mean, self.basis, self.scale),)
