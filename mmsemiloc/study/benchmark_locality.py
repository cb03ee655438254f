"""The locality penalty beside a loop over its groups."""
import torch
from torch import Tensor


def half_spaces(cam: Tensor) -> list[Tensor]:
    """The 2 (H + W) nested half-spaces of maps (..., H, W): the first and the last k columns, the first and the last k rows."""
    height, width = cam.shape[-2:]
    columns = [part for k in range(1, width + 1) for part in (cam[..., :k], cam[..., width - k:])]
    rows = [part for k in range(1, height + 1) for part in (cam[..., :k, :], cam[..., height - k:, :])]
    return columns + rows


def group_by_group(cam: Tensor) -> Tensor:
    """Equation (7) word by word, one norm after the other: what :func:`locality_penalty` replaces."""
    penalty = cam.new_zeros(cam.shape[:-2])
    for part in half_spaces(cam):
        penalty = penalty + torch.linalg.vector_norm(part, dim=(-2, -1))
    return penalty
