"""Locality penalty: structured sparsity of class activation maps over nested half-spaces."""

import torch
from torch import Tensor
from torch.nn import functional as F

from mmsemiloc.models.losses.term import Term, Values
from mmsemiloc.models.numerics import at_least_float32
from mmsemiloc.models.predictions import Predictions
from mmsemiloc.registry import MODELS


def safe_sqrt(x: Tensor) -> Tensor:
    """Square root of a non-negative tensor, with a derivative of 0 at 0, as a norm has."""
    positive = x > 0
    return torch.where(positive, torch.where(positive, x, 1).sqrt(), 0)


def direction_penalties(cam: Tensor) -> Tensor:
    """The four parts of :func:`locality_penalty`, by the side that half-spaces grow from.

    For a single place at row y and column x of an H x W map they are its absolute value times W -
    x, x + 1, H - y, y + 1: the nearer to a side, the more of that side's half-spaces contain it.

    Args:
        cam: Maps of shape (..., H, W) in any unit and sign; H and W may differ.

    Returns:
        (..., 4) left, right, top, bottom, in the unit of the map, at least 0. Float32 for half
        precision input.

    Raises:
        ValueError: If ``cam`` has fewer than 2 dimensions.

    Example:
        >>> cam = torch.zeros(5, 5)
        >>> cam[1, 3] = -2.0
        >>> direction_penalties(cam)
        tensor([4., 8., 8., 4.])
    """
    if cam.dim() < 2:
        raise ValueError(
            f'the locality penalty needs maps of shape (..., H, W), got {tuple(cam.shape)}'
        )
    energy = at_least_float32(cam).square()
    columns, rows = energy.sum(-2), energy.sum(-1)

    # In one tensor, so that each operation runs once.
    lines = [columns, columns.flip(-1), rows, rows.flip(-1)]
    if columns.size(-1) != rows.size(-1):  # empty lines in front of the shorter ones add no norm
        lines = [F.pad(line, (max(cam.shape[-2:]) - line.size(-1), 0)) for line in lines]
    return safe_sqrt(torch.stack(lines, -2).cumsum(-1)).sum(-1)


def locality_penalty(cam: Tensor) -> Tensor:
    """Sum of the L2 norms of all nested half-spaces of each map, equation (7).

    ``J_L = sum over 4 directions, over k, of ||C restricted to the first k columns (rows)||_2``. A
    half-space's squared norm is a cumulative sum of column (row) sums of squares, so the cost is
    O(H W) per map.

    It shrinks a map before it concentrates it: among maps of one sum, that is of one class score, a
    flat map has a smaller penalty than a single place (184 against 1,152 for a mean of 1 at 8x8).
    So with a large weight the map of the predicted class goes to zero, and those of the other
    classes speak against them instead (docs/cam.md; :func:`relative_weight` shows it).
    :func:`unit_norm` takes the scale out.

    Args:
        cam: Maps of shape (..., H, W) in any unit and sign; H and W may differ.

    Returns:
        Penalties of shape (...), in the unit of the map, at least 0. Float32 for half precision
        input.

    Raises:
        ValueError: If ``cam`` has fewer than 2 dimensions.

    Example:
        >>> cam = torch.zeros(1, 5, 5)
        >>> cam[0, 1, 3] = -2.0
        >>> locality_penalty(cam)  # |v| (H + W + 2)
        tensor([24.])
    """
    return direction_penalties(cam).sum(-1)


def unit_norm(cam: Tensor) -> Tensor:
    """Each map divided by its L2 norm: its locality penalty depends on its shape alone.

    Of such maps ``H + W + 2 <= J_L <= 4 + sqrt(2) (H + W - 2)``: the least is any single place,
    wherever it is; the most is half of the energy in each of two opposite corners. A flat map has
    ``2 sum_k sqrt(k / H) + 2 sum_k sqrt(k / W)``, nearly the most (20.38 at 7x7, between 16 and
    20.97).

    The gradient with respect to ``cam`` is orthogonal to it and grows as 1 / norm. A zero map
    (float32: of values below 1.2e-38) stays zero and has a gradient of 0.

    Args:
        cam: Maps of shape (..., H, W) in any unit and sign.

    Returns:
        Maps of the same shape. Float32 for half precision input.
    """
    cam = at_least_float32(cam)
    # Squares of small or large values would leave the range. The result does not depend on the
    # peak, so it is a constant.
    peak = cam.detach().abs().amax((-2, -1), keepdim=True)
    cam = cam / torch.where(peak >= torch.finfo(cam.dtype).tiny, peak, 1)
    norm = safe_sqrt(cam.square().sum((-2, -1), keepdim=True))
    return cam / torch.where(norm > 0, norm, 1)


@MODELS.register_module()
class LocalityLoss(Term):
    """Batch mean of :func:`locality_penalty`, J_L of equations (7) and (8).

    Args:
        loss_weight: gamma, at least 0.
        scale_free: Whether each map is divided by its L2 norm first (:func:`unit_norm`). The
            penalty can then not be lowered by scaling the map down: it is between H + W + 2 and
            less than sqrt(2) times that, whatever the unit of the map.
        views: Views of the images: 'all', 'weak' (the first of each image) or 'strong' (the
            others).
        schedule: When the weight rises; see :class:`Schedule`.

    Raises:
        ValueError: If the weight or the schedule is out of range, or the views are unknown.
    """

    def __init__(
        self,
        loss_weight: float = 1.0,
        scale_free: bool = False,
        views: str = 'all',
        schedule: dict | None = None,
    ) -> None:
        super().__init__(loss_weight, schedule, views)
        self.scale_free = scale_free

    def forward(self, cam: Tensor, weight: Tensor | None = None) -> Tensor:
        """``loss_weight`` times :meth:`mean_penalty`."""
        return self.loss_weight * self.mean_penalty(cam, weight)

    def mean_penalty(self, cam: Tensor, weight: Tensor | None = None) -> Tensor:
        """Weighted mean penalty.

        Args:
            cam: Maps (T, H, W), or with ``weight`` several maps per image (T, K, H, W).
            weight: Weight of each map (T, K), for example the class probabilities. It is a
                constant: no gradient.

        Returns:
            ``1/T sum_t J_L(C_t)``, or ``1/T sum_t sum_k w_tk J_L(C_tk)``.

        Raises:
            ValueError: If the shapes are not as above.
        """
        expected = 3 if weight is None else 4
        if cam.dim() != expected or (weight is not None and weight.shape != cam.shape[:2]):
            raise ValueError(
                'LocalityLoss needs cam (T, H, W), or cam (T, K, H, W) with weight (T, K); got cam '
                f'{tuple(cam.shape)} and weight {None if weight is None else tuple(weight.shape)}'
            )

        penalty = locality_penalty(unit_norm(cam) if self.scale_free else cam)
        if weight is not None:
            penalty = (penalty * weight.detach()).sum(1)
        return penalty.mean()

    def compute(self, predictions: Predictions) -> Values:
        """J_L of the maps as ``loss_locality``."""
        return {'loss_locality': self.mean_penalty(*predictions.cam_and_weight())}
