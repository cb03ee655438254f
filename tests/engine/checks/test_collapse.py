import math

import pytest
import torch

from mmsemiloc.engine.checks.collapse import Predicted, entropy, expected_classes, has_collapsed


def predicted(shares, counts):
    """Predictions of ``sum(counts)`` images whose mean is ``shares``."""
    shares, counts = torch.tensor(shares).float(), torch.tensor(counts).float()
    return Predicted(shares * counts.sum(), counts, float(counts.sum()))


def uniform(classes):
    return torch.full((classes,), 1 / classes)


@pytest.mark.parametrize(
    'shares, counts, expected',
    [
        ([1, 0], [640, 0], uniform(2)),
        ([0.999, 0.001], [639, 1], uniform(2)),  # one stray image
        ([0, 1, 0], [0, 640, 0], uniform(3)),
        ([0.9] + [0.1 / 9] * 9, [640] + [0] * 9, uniform(10)),
        ([0.5, 0.5] + [0] * 8, [320, 320] + [0] * 8, uniform(10)),
        ([1, 0], [640, 0], torch.tensor([0.95, 0.05])),
        ([0, 1], [0, 640], torch.tensor([0.95, 0.05])),
    ],
)
def test_collapsed(shares, counts, expected):
    assert has_collapsed(predicted(shares, counts), expected)
    assert not has_collapsed(predicted(shares, counts), expected, min_class_share=0)


@pytest.mark.parametrize(
    'shares, counts, expected',
    [
        ([0.55, 0.45], [640, 0], uniform(2)),  # a new network: one class, but not sure of it
        ([0.4, 0.3, 0.3], [640, 0, 0], uniform(3)),
        ([0.13] + [0.87 / 9] * 9, [640] + [0] * 9, uniform(10)),
        ([0.7, 0.3], [448, 192], uniform(2)),
        ([0.5, 0.5, 0], [320, 320, 0], uniform(3)),  # one of three is missing: not certain
        ([0.99, 0.01], [630, 10], uniform(2)),  # unlabelled images of other shares than expected
        (
            [0.95, 0.05],
            [640, 0],
            torch.tensor([0.95, 0.05]),
        ),  # knows the shares, and nothing else yet
        ([0.96, 0.04], [620, 20], torch.tensor([0.95, 0.05])),
        ([1, 0], [640, 0], torch.tensor([1.0, 0.0])),
        ([0.999, 0.001], [64, 0], torch.tensor([0.999, 0.001])),
        ([0.25] * 4 + [0] * 996, [1] * 4 + [0] * 996, uniform(1000)),  # four images cannot use more
        ([math.nan, math.nan], [640, 0], uniform(2)),  # another fault
        ([1.0], [640], uniform(1)),
    ],
)
def test_not_collapsed(shares, counts, expected):
    assert not has_collapsed(predicted(shares, counts), expected)


def test_no_images():
    assert not has_collapsed(predicted([0.0, 0.0], [0, 0]), uniform(2))


def test_expected_classes():
    assert expected_classes(uniform(10), 10**6) == pytest.approx(10)
    assert expected_classes(uniform(1000), 4) == pytest.approx(4, rel=0.01)
    assert expected_classes(torch.tensor([0.5, 0.5]), 1) == 1


def test_report():
    assert predicted([0.5, 0.5], [3, 1]).report() == dict(
        confidence=1, batch_entropy=pytest.approx(math.log(2)), classes_used=2
    )
    assert entropy(torch.tensor([1.0, 0.0])) == 0
