"""A linear map of features to few dimensions, which folds into the classifier behind it."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Projection:
    """``z = (x - mean) basis / scale``: principal components of mean square norm 1.

    Linear classifiers of z are trained faster than those of x, and are classifiers of x as well.

    Attributes:
        mean: Mean of the features (D,).
        basis: Directions of the largest variance (D, d).
        scale: Root of the mean square norm behind ``basis``.
    """

    mean: Tensor
    basis: Tensor
    scale: float

    @classmethod
    def of(cls, features: Tensor, dims: int = 64) -> 'Projection':
        """That of the features (N, D) of some images; no label is needed.

        Args:
            features: Features of at least 2 images.
            dims: d at most; fewer if the images do not span as many.

        Raises:
            ValueError: If there are fewer than 2 images, or all features are the same.
        """
        mean = features.double().mean(0)
        centred = features.double() - mean
        values, vectors = torch.linalg.eigh(centred.T @ centred)
        kept = values.flip(0) > 1e-9 * values.sum()
        basis = vectors.flip(1)[:, kept][:, :dims]
        scale = float((centred @ basis).square().sum(1).mean().sqrt())
        if not scale > 0:
            raise ValueError(
                f'the features of all {len(features)} images are the same: are the images?'
            )
        return cls(mean.to(features), basis.to(features), scale)

    def __call__(self, features: Tensor) -> Tensor:
        """z (..., d) of features (..., D)."""
        return (features - self.mean) @ self.basis / self.scale

    def unfold(self, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        """The classifier of x, weight (C, D) and bias (C,), that equals one of z, (C, d)."""
        full = weight @ self.basis.T / self.scale
        return full, bias - full @ self.mean
