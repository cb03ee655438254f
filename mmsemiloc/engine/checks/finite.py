"""Numbers that are not finite: in state dicts, optimizers and gradients."""

import math
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor
from torch.optim import Optimizer

from mmsemiloc.models.numerics import check_number


class NotFiniteError(ValueError):
    """A loss, gradient, weight or image is NaN or infinite: training cannot go on."""


def tensors_of(state: object, name: str = '') -> Iterator[tuple[str, Tensor]]:
    """Floating-point tensors of nested mappings and sequences, by their dotted names."""
    if isinstance(state, Tensor):
        if state.is_floating_point() or state.is_complex():
            yield name, state
    elif isinstance(state, Mapping):
        for key, value in state.items():
            yield from tensors_of(value, f'{name}.{key}' if name else str(key))
    elif isinstance(state, (list, tuple)):
        for place, value in enumerate(state):
            yield from tensors_of(value, f'{name}.{place}' if name else str(place))


def is_finite(tensor: Tensor) -> bool:
    """Whether all values are finite; a mask of zeros and minus infinities counts as finite."""
    values = tensor.detach()
    if values.is_sparse:
        values = values.coalesce().values()
    if values.isfinite().all():
        return True
    zero = values == 0
    return bool(zero.any() and (zero | (values == -math.inf)).all())


def first_not_finite(state: object) -> str | None:
    """Dotted name of the first tensor with a value that is not finite; None if there is none.

    Args:
        state: A state dict, or any nesting of mappings and sequences with tensors in it.

    Example:
        >>> first_not_finite({'fc': {'weight': torch.zeros(2), 'bias': torch.tensor(math.nan)}})
        'fc.bias'
    """
    return next((name for name, tensor in tensors_of(state) if not is_finite(tensor)), None)


def check_optimizer(optimizer: Optimizer) -> None:
    """Refuse numbers of an optimizer that can never be meant.

    Raises:
        ValueError: If a number of a parameter group is not finite, a learning rate or weight decay
            is below 0, or a momentum is not at least 0 and below 1.
    """
    for group in optimizer.param_groups:
        for key, value in group.items():
            if isinstance(value, float | int) and not isinstance(value, bool):
                low = 0.0 if key in ('lr', 'weight_decay', 'momentum') else -math.inf
                check_number(
                    f'optim_wrapper.optimizer.{key}',
                    value,
                    low,
                    below=1 if key == 'momentum' else math.inf,
                )


def check_clipping(clip_grad: dict | None) -> None:
    """Refuse bounds of the gradient that can never be meant; an infinite bound only logs the norm.

    Raises:
        ValueError: If a bound or the type of the norm is not above 0.
    """
    for key in ('max_norm', 'clip_value', 'norm_type'):
        value = (clip_grad or {}).get(key, 1)
        if not float(value) > 0:
            raise ValueError(f'optim_wrapper.clip_grad.{key} must be above 0, got {value!r}')


def gradients_of(optimizer: Optimizer) -> list[Tensor]:
    """Gradients of all parameters that have one."""
    parameters = (p for group in optimizer.param_groups for p in group['params'])
    return [p.grad for p in parameters if p.grad is not None]


def total_norm(gradients: Sequence[Tensor], norm_type: float = 2.0) -> Tensor | None:
    """Norm of all gradients as of one vector, a scalar not waited for; None without gradients."""
    return torch.nn.utils.get_total_norm(gradients, norm_type) if gradients else None
