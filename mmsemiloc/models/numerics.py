"""Small numerical helpers that the losses share."""

import math
from numbers import Integral, Real

import torch
from torch import Tensor


def at_least_float32(x: Tensor) -> Tensor:
    """``x`` in float32 if it is in half precision, else unchanged.

    Losses are never computed in half precision.
    """
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def long_and_narrow(scores: Tensor) -> bool:
    """Whether scores (T, C) should lie class by class.

    On CPUs, torch's softmax along rows of 10 classes takes about 20 times as long as along columns.
    """
    return scores.device.type == 'cpu' and len(scores) >= 1024 and scores.size(1) <= 64


def softmax(scores: Tensor) -> Tensor:
    """q (T, C) of scores (T, C); T may be 0."""
    if long_and_narrow(scores):
        return scores.T.contiguous().softmax(0).T
    return scores.softmax(1)


def log_softmax(scores: Tensor) -> Tensor:
    """log q (T, C) of scores (T, C); T may be 0."""
    if long_and_narrow(scores):
        return scores.T.contiguous().log_softmax(0).T
    return scores.log_softmax(1)


def log_probabilities(cls_score: Tensor) -> Tensor:
    """log q of logits (T, C), in float32 or better.

    Raises:
        ValueError: If ``cls_score`` is not a non-empty matrix.
    """
    if cls_score.dim() != 2 or cls_score.numel() == 0:
        raise ValueError(
            f'cls_score must have shape (T, C) with T, C >= 1, got {tuple(cls_score.shape)}'
        )
    return log_softmax(at_least_float32(cls_score))


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
