"""Means over seeds with their spread, and how they are written."""

import math
import statistics
from collections.abc import Sequence

from scipy.special import stdtrit


def mean_and_std(values: Sequence[float]) -> tuple[float, float]:
    """Mean and sample standard deviation (divided by n - 1).

    The standard deviation of one value is NaN.

    Raises:
        ValueError: If there are no values.
    """
    if not values:
        raise ValueError('mean_and_std needs at least one value, got none')
    return statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else math.nan


def confidence_interval(values: Sequence[float]) -> tuple[float, float]:
    """95 % confidence interval of the mean of independent, normally distributed values.

    The ends are NaN for one value. The interval is ``mean ± t s / sqrt(n)``, with the sample
    standard deviation s and the 0.975 quantile t of Student's distribution with n - 1 degrees of
    freedom: 4.3 for 3 values, 2.8 for 5, 2.3 for 10.

    Args:
        values: n values in any unit, for example the differences of two configs for each seed.

    Returns:
        Lower and upper end, in the unit of the values.

    Raises:
        ValueError: If there are no values.

    Example:
        >>> confidence_interval([1.0, 2.0, 3.0])  # 2 ± 4.303 / sqrt(3)
        (-0.484..., 4.484...)
    """
    mean, std = mean_and_std(values)
    half = float(stdtrit(len(values) - 1, 0.975)) * std / math.sqrt(len(values))
    return mean - half, mean + half


def gap_closed(value: float, floor: float, ceiling: float) -> float | None:
    """How much of the way from ``floor`` to ``ceiling`` a value is, in %.

    The formula is ``100 (value - floor) / (ceiling - floor)``. It is below 0 for a value below the
    floor, and above 100 for one above the ceiling. None if the ceiling is not above the floor.

    Example:
        >>> gap_closed(85, floor=80, ceiling=100)
        25.0
    """
    return 100 * (value - floor) / (ceiling - floor) if ceiling > floor else None


def format_number(value: float, digits: int = 1, sign: bool = False) -> str:
    """A number with some decimals, and with its sign if asked."""
    return f'{value:{"+" if sign else ""}.{digits}f}'


def format_interval(values: Sequence[float], digits: int = 1) -> str:
    """:func:`confidence_interval` with signs, such as '[+0.4, +2.3]'; a dash for one value."""
    ends = confidence_interval(values)
    if any(map(math.isnan, ends)):
        return '–'
    return '[{}, {}]'.format(*(format_number(end, digits, sign=True) for end in ends))


def format_spread(values: Sequence[float | None], digits: int = 1, sign: bool = False) -> str:
    """'mean ± standard deviation', the mean alone for one value, a dash if a value is missing."""
    known = [value for value in values if value is not None]
    if not known or len(known) < len(values):
        return '–'

    mean, std = mean_and_std(known)
    text = format_number(mean, digits, sign)
    return text if math.isnan(std) else f'{text} ± {format_number(std, digits)}'
