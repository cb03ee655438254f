"""Small numerical helpers that the losses share."""

import math
from numbers import Integral, Real

import torch
from torch import Tensor
from torch.nn import functional as F


def at_least_float32(x: Tensor) -> Tensor:
    """``x`` in float32 if it is in half precision, else unchanged.

    Losses are never computed in half precision.
    """
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def log_probabilities(cls_score: Tensor) -> Tensor:
    """log q of logits (T, C), in float32 or better.

    Raises:
        ValueError: If ``cls_score`` is not a non-empty matrix.
    """
    if cls_score.dim() != 2 or cls_score.numel() == 0:
        raise ValueError(
            f'cls_score must have shape (T, C) with T, C >= 1, got {tuple(cls_score.shape)}'
        )
    return F.log_softmax(at_least_float32(cls_score), dim=1)


def check_number(
    name: str,
    value: float,
    low: float = -math.inf,
    high: float = math.inf,
    *,
    above: float = -math.inf,
    below: float = math.inf,
    whole: bool = False,
) -> float:
    """``value`` itself, a finite number in a range.

    Args:
        name: What it is, for the message.
        value: The number.
        low: Least value.
        high: Greatest value.
        above: What it must be greater than.
        below: What it must be less than.
        whole: Whether it must be a whole number.

    Raises:
        ValueError: If it is not such a number.

    Example:
        >>> check_number('loss_weight', 0.8, 0)
        0.8
    """
    number = isinstance(value, Integral if whole else Real) and not isinstance(value, bool)
    if number and math.isfinite(value) and low <= value <= high and above < value < below:
        return value

    # The message names the bounds that there are.
    if math.isfinite(low) and math.isfinite(high):
        bounds = f'between {low:g} and {high:g}'
    else:
        bounds = ' and '.join(
            f'{words} {bound:g}'
            for words, bound in (
                ('of at least', low),
                ('above', above),
                ('of at most', high),
                ('below', below),
            )
            if math.isfinite(bound)
        )

    kind = 'whole' if whole else 'finite'
    raise ValueError(f'{name} must be a {kind} number {bounds}'.rstrip() + f', got {value!r}')
