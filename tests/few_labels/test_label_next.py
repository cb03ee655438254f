"""The images to label next: those between two classes, from all predicted classes."""

import numpy as np
import pytest

from mmsemiloc.few_labels.label_next import in_turn, most_useful


def slow_choice(probabilities, number):
    """One image after the other, with lists."""
    waiting = {}
    for place, row in enumerate(probabilities.tolist()):
        first, second = sorted(row, reverse=True)[:2]
        waiting.setdefault(row.index(first), []).append((first - second, place))

    chosen = []
    while any(waiting.values()) and len(chosen) < number:
        turn = [min(images) for images in waiting.values() if images]
        for images in waiting.values():
            if images:
                images.remove(min(images))
        chosen += [place for _, place in sorted(turn)]
    return chosen[:number]


@pytest.mark.parametrize('classes', [2, 3, 30])
@pytest.mark.parametrize('images', [0, 1, 7, 200])
def test_the_choice_is_that_of_a_slow_reference(images, classes):
    probabilities = np.random.default_rng(images).dirichlet(np.ones(classes) / 2, images)
    chosen = most_useful(probabilities)
    assert chosen.tolist() == slow_choice(probabilities, 20)
    assert len(set(chosen.tolist())) == len(chosen) == min(20, images)


def test_the_predicted_classes_take_turns():
    """Without turns all of these would be of the first class."""
    near, far = [0.5, 0.4, 0.1], [0.0, 0.1, 0.9]
    probabilities = np.array([near] * 30 + [far] * 30)
    assert np.bincount(probabilities[most_useful(probabilities)].argmax(1)).tolist() == [10, 0, 10]
    assert np.argsort(np.ptp(np.sort(probabilities)[:, 1:], 1), kind='stable')[:20].max() < 20


def test_the_sure_images_of_a_class_come_last():
    probabilities = np.array([[0.99, 0.01], [0.51, 0.49], [0.8, 0.2], [0.3, 0.7]])
    assert most_useful(probabilities, 2).tolist() == [1, 3]
    assert most_useful(probabilities).tolist() == [1, 3, 2, 0]
    assert most_useful(probabilities, 0).tolist() == []


def test_equal_images_keep_their_order():
    assert most_useful(np.full((5, 2), 0.5), 3).tolist() == [0, 1, 2]
    assert in_turn(np.array([1, 0, 1, 0]), np.zeros(4), 4).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ('probabilities', 'message'),
    [
        (np.ones((3, 1)), r'at least 2 classes, got \(3, 1\)'),
        (np.ones(3), r'at least 2 classes, got \(3,\)'),
        (np.array([[0.5, np.nan]]), 'from 0 to 1, got nan'),
        (np.array([[1.5, -0.5]]), 'from 0 to 1, got 1.5'),
    ],
)
def test_what_is_no_probability_is_refused(probabilities, message):
    with pytest.raises(ValueError, match=message):
        most_useful(probabilities)


def test_a_negative_number_is_refused():
    with pytest.raises(ValueError, match='at least 0, got -1'):
        most_useful(np.full((2, 2), 0.5), -1)


def test_probabilities_of_float32_may_be_a_little_above_one():
    assert most_useful(np.array([[1 + 1e-6, 0]], np.float32)).tolist() == [0]
