from collections import Counter

import numpy as np
import pytest

from mmsemiloc.datasets.streams import BalancedPasses, ShuffledPasses

LABELS = np.array([2, 0, 0, 1, 0, 2, 0, 0, 0])  # 6, 1 and 2 images


@pytest.mark.parametrize(
    'stream',
    [ShuffledPasses(9, (3, 1)), BalancedPasses(LABELS, (3, 1))],
    ids=['passes', 'balanced'],
)
def test_any_part_is_found_without_what_comes_before_it(stream):
    whole = stream.draw(0, 60)
    for start, count in ((50, 10), (7, 1), (0, 13), (33, 20)):
        assert stream.draw(start, count) == whole[start : start + count]


def test_classes_take_turns_and_each_passes_through_its_images():
    drawn = BalancedPasses(LABELS, (3, 1)).draw(0, 90)
    rounds = LABELS[drawn].reshape(30, 3)
    assert (np.sort(rounds, 1) == [0, 1, 2]).all()
    assert len({tuple(r) for r in rounds}) > 3  # in a new order each round
    of_class = {label: [i for i in drawn if LABELS[i] == label] for label in range(3)}
    for label, size in ((0, 6), (1, 1), (2, 2)):
        passes = [tuple(of_class[label][i : i + size]) for i in range(0, 30, size)]
        assert all(sorted(p) == np.flatnonzero(label == LABELS).tolist() for p in passes)
        assert len(set(passes)) > 1 or size == 1
    plain = Counter(LABELS[ShuffledPasses(9, (3, 1)).draw(0, 90)])
    assert plain[0] == 60  # negative control


def test_keys_give_orders_and_no_key_the_given_one():
    assert BalancedPasses(LABELS, (3, 1)).draw(0, 30) != BalancedPasses(LABELS, (4, 1)).draw(0, 30)
    assert BalancedPasses(LABELS, None).draw(0, 9) == [1, 3, 0, 2, 3, 5, 4, 3, 0]
