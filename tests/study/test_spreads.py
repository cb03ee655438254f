"""Means, standard deviations, intervals, and how numbers are written."""

import math

import numpy as np
import pytest

from mmsemiloc.study.spreads import (
    confidence_interval,
    format_interval,
    format_number,
    format_spread,
    gap_closed,
    mean_and_std,
)

# 0.975 quantiles of Student's t by degrees of freedom, from a printed table.
STUDENT = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 9: 2.262, 29: 2.045}


def test_mean_and_sample_standard_deviation():
    values = [50.0, 52.0, 57.0, 41.5]
    mean, std = mean_and_std(values)
    assert mean == pytest.approx(np.mean(values)) and std == pytest.approx(np.std(values, ddof=1))
    assert std != pytest.approx(np.std(values))  # not that of a population
    assert math.isnan(mean_and_std([3.0])[1])
    with pytest.raises(ValueError, match='none'):
        mean_and_std([])


def test_formats():
    assert format_spread([1.0, 2.0, 3.0]) == '2.0 ± 1.0'
    assert format_spread([2.0]) == '2.0'
    assert format_spread([1.0, 2.0], digits=2, sign=True) == '+1.50 ± 0.71'
    assert format_spread([1.0, None]) == '–' and format_spread([]) == '–'


@pytest.mark.parametrize('freedom, quantile', STUDENT.items())
def test_confidence_interval_is_that_of_the_table_of_student(freedom, quantile):
    values = np.random.default_rng(freedom).normal(2.0, 3.0, freedom + 1)
    low, high = confidence_interval(values.tolist())
    half = (
        quantile * np.sqrt(((values - values.mean()) ** 2).sum() / freedom) / np.sqrt(freedom + 1)
    )
    assert (low, high) == pytest.approx(
        (values.mean() - half, values.mean() + half), abs=5e-4 * half
    )


def test_the_interval_holds_the_true_mean_19_times_of_20():
    samples = np.random.default_rng(0).normal(5.0, 2.0, (4000, 3))
    low, high = np.array([confidence_interval(sample.tolist()) for sample in samples]).T
    assert np.mean((low < 5) & (high > 5)) == pytest.approx(0.95, abs=0.015)
    # Negative control: the interval for a known standard deviation.
    half = 1.96 * samples.std(1, ddof=1) / np.sqrt(3)
    assert np.mean(np.abs(samples.mean(1) - 5) < half) < 0.85


def test_interval_of_one_value_of_equal_values_and_of_none():
    assert all(math.isnan(end) for end in confidence_interval([3.0]))
    assert confidence_interval([3.0, 3.0]) == (3.0, 3.0)
    with pytest.raises(ValueError, match='none'):
        confidence_interval([])


def test_format_of_intervals():
    assert format_interval([1.0, 2.0, 3.0]) == '[-0.5, +4.5]'
    assert format_interval([1.0, 2.0, 3.0], digits=2) == '[-0.48, +4.48]'
    assert format_interval([3.0]) == '–'


def test_gap_closed():
    assert [gap_closed(value, floor=80, ceiling=96) for value in (80, 84, 96, 76, 100)] == [
        0,
        25,
        100,
        -25,
        125,
    ]
    assert (
        gap_closed(85, floor=80, ceiling=80) is None
        and gap_closed(85, floor=80, ceiling=79) is None
    )


def test_numbers_have_decimals_and_a_sign_if_asked():
    assert format_number(1.26) == '1.3' and format_number(2.6, 0) == '3'
    assert format_number(1.26, 1, sign=True) == '+1.3' and format_number(-2.0, 2) == '-2.00'
