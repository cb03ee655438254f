import numpy as np
import pytest

from mmsemiloc.study.few_labels.outsiders import UNLABELED, LabelSpread, LinearSVM, SelfTraining


@pytest.mark.parametrize('classes', [2, 3])
@pytest.mark.parametrize(
    'method', [LabelSpread(8, 0.8), SelfTraining(0.8, 10), LinearSVM(1)], ids=lambda m: str(m)
)
def test_probabilities_of_every_class(method, classes):
    rng = np.random.default_rng(0)
    truth = np.arange(30) % classes
    features = 4 * np.eye(classes)[truth] + rng.normal(size=(30, classes))
    labels = np.where(np.arange(30) < 2 * classes, truth, UNLABELED)
    found = method.probabilities(features, labels, features)
    assert found.shape == (30, classes) and np.allclose(found.sum(1), 1)
    assert (found.argmax(1) == truth).mean() > 0.8


def test_an_image_that_no_label_reaches_has_equal_probabilities():
    features = np.concatenate([np.zeros((6, 2)), 100 + np.zeros((6, 2))])
    features += 1e-3 * np.random.default_rng(0).normal(size=features.shape)
    labels = np.array([0, 1] + [UNLABELED] * 10)
    found = LabelSpread(3, 0.5).probabilities(features, labels, features)
    assert np.allclose(found[-1], 0.5) and np.allclose(found.sum(1), 1)
