import numpy as np
import pytest

from mmsemiloc.datasets.checks.boxes import check_boxes


@pytest.mark.parametrize(
    'box', [[0, 0, 21, 10], [-1, 0, 5, 5], [5, 5, 5, 9], [6, 5, 5, 9], [0, float('nan'), 5, 5]]
)
def test_wrong_boxes(box):
    with pytest.raises(ValueError, match='image of 20 x 10 pixels'):
        check_boxes(np.array([[0, 0, 20, 10], box]), (10, 20))
