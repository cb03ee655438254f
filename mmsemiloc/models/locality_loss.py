"""Locality penalty: structured sparsity of class activation maps over nested half-spaces."""
import torch
from mmengine.model import BaseModule
from torch import Tensor

from mmsemiloc.models.numerics import at_least_float32
from mmsemiloc.models.predictions import Predictions
from mmsemiloc.registry import MODELS


def safe_sqrt(x: Tensor) -> Tensor:
    """Square root of a non-negative tensor whose derivative at 0 is 0 (the subgradient of a norm) instead of infinite."""
    positive = x > 0
    return torch.where(positive, torch.where(positive, x, 1).sqrt(), 0)


def locality_penalty(cam: Tensor) -> Tensor:
    """Sum of the L2 norms of all nested half-spaces of each map, equation (7).

    ``J_L = sum over 4 directions, over k, of ||C restricted to the first k columns (rows)||_2``.
    A half-space's squared norm is a cumulative sum of column (row) sums of squares, so the cost is O(H W) a map.

    It shrinks a map before it concentrates it: among maps of one sum, that is of one class score, a flat map has a smaller
    penalty than a single place (184 against 1,152 for a mean of 1 at 8x8). So large weights flatten the maps; see README.md.

    Args:
        cam: Maps of shape (..., H, W) in any unit and sign; H and W may differ.

    Returns:
        Penalties of shape (...), in the unit of the map, at least 0. Float32 for half precision input.

    Raises:
        ValueError: If ``cam`` has fewer than 2 dimensions.

    Example:
        >>> cam = torch.zeros(1, 5, 5)
        >>> cam[0, 1, 3] = -2.0
        >>> locality_penalty(cam)  # |v| (2 N + 2)
        tensor([24.])
    """
    if cam.dim() < 2:
        raise ValueError(f'locality_penalty needs maps of shape (..., H, W), got {tuple(cam.shape)}')
    energy = at_least_float32(cam).square()
    penalty = energy.new_zeros(cam.shape[:-2])
    for line_energy in (energy.sum(-2), energy.sum(-1)):  # columns: left-right; rows: top-bottom
        for ordered in (line_energy, line_energy.flip(-1)):
            penalty = penalty + safe_sqrt(ordered.cumsum(-1)).sum(-1)
    return penalty


@MODELS.register_module()
class LocalityLoss(BaseModule):
    """Batch mean of :func:`locality_penalty`, J_L of equations (7) and (8).

    Args:
        loss_weight: gamma, at least 0.
    """

    def __init__(self, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, cam: Tensor, weight: Tensor | None = None) -> Tensor:
        """Weighted mean penalty.

        Args:
            cam: Maps (T, H, W), or with ``weight`` several maps an image (T, K, H, W).
            weight: Weight of each map (T, K), for example the class probabilities. It is a constant: no gradient.

        Returns:
            ``loss_weight * 1/T sum_t J_L(C_t)``, or ``loss_weight * 1/T sum_t sum_k w_tk J_L(C_tk)``.

        Raises:
            ValueError: If the shapes are not as above.
        """
        expected = 3 if weight is None else 4
        if cam.dim() != expected or (weight is not None and weight.shape != cam.shape[:2]):
            raise ValueError('LocalityLoss needs cam (T, H, W), or cam (T, K, H, W) with weight (T, K); got cam '
                             f'{tuple(cam.shape)} and weight {None if weight is None else tuple(weight.shape)}')
        penalty = locality_penalty(cam)
        if weight is not None:
            penalty = (penalty * weight.detach()).sum(1)
        return self.loss_weight * penalty.mean()

    def term(self, predictions: Predictions) -> dict[str, Tensor]:
        """The named loss of one batch; see :class:`Predictions`."""
        return {'loss_locality': self(*predictions.cam_and_weight())}
