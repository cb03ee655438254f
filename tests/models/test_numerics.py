import math

import numpy as np
import pytest

from mmsemiloc.models.numerics import check_number


@pytest.mark.parametrize(
    'value, kwargs',
    [
        (0, dict(low=0)),
        (0.5, dict(low=0, high=1)),
        (1, dict(above=0, high=1)),
        (3, dict(low=1, whole=True)),
        (np.float32(0.5), dict(low=0)),
        (np.int64(2), dict(whole=True)),
        (-5.0, {}),
    ],
)
def test_numbers_in_range_come_back(value, kwargs):
    assert check_number('x', value, **kwargs) is value


@pytest.mark.parametrize(
    'value, kwargs, message',
    [
        (math.nan, {}, 'x must be a finite number, got nan'),
        (-math.inf, {}, 'x must be a finite number, got -inf'),
        (-1, dict(low=0), 'x must be a finite number of at least 0, got -1'),
        (0, dict(above=0, high=1), 'x must be a finite number above 0 and of at most 1, got 0'),
        (1, dict(above=0, below=1), 'x must be a finite number above 0 and below 1, got 1'),
        (2, dict(low=0, high=1), 'x must be a finite number between 0 and 1, got 2'),
        (1.5, dict(low=1, whole=True), 'x must be a whole number of at least 1, got 1.5'),
        ('0.5', {}, "x must be a finite number, got '0.5'"),
        (True, {}, 'x must be a finite number, got True'),
        (None, dict(low=0), 'x must be a finite number of at least 0, got None'),
    ],
)
def test_others_are_refused_with_the_range_and_the_value(value, kwargs, message):
    with pytest.raises(ValueError) as error:
        check_number('x', value, **kwargs)
    assert str(error.value) == message
