"""The parts of a cross-validation for class shares, without training."""

import numpy as np
import pytest
from mmengine.config import Config

from mmsemiloc.models.class_shares import bbse_shares, em_shares, smoothed_shares
from mmsemiloc.registry import DATASETS
from mmsemiloc.study.class_shares import (
    Fold,
    bbse_of_folds,
    drawn_counts,
    em_of_folds,
    fold_numbers,
    images_to_predict,
    plan_folds,
)
from tests.configs.test_configs import CONFIGS

CE = CONFIGS / 'digits/class_shares/digits_shares_ce.py'


def make_fold(seed, size=30, others=200):
    rng = np.random.default_rng(seed)
    labels = np.arange(size) % 3
    logits = 2 * np.eye(3)[labels] + rng.normal(size=(size, 3))
    unlabeled = 2 * np.eye(3)[rng.choice(3, others, p=[0.7, 0.2, 0.1])] + rng.normal(
        size=(others, 3)
    )
    probs, more = (
        np.exp(values) / np.exp(values).sum(1, keepdims=True) for values in (logits, unlabeled)
    )
    return Fold(probs, labels, more)


@pytest.mark.parametrize('folds', [2, 3, 5])
def test_every_fold_has_its_part_of_every_class(folds):
    labels = np.repeat([0, 1, 2], [5, 12, 31])
    numbers = fold_numbers(labels, 3, folds)
    for label in range(3):
        counts = np.bincount(numbers[labels == label], minlength=folds)
        assert counts.max() - counts.min() <= 1
    assert (numbers == fold_numbers(labels, 3, folds)).all()
    assert (numbers != fold_numbers(labels, 3, folds, seed=1)).any()


def test_too_few_folds_and_images():
    with pytest.raises(ValueError, match='at least 2 folds, got 1'):
        fold_numbers(np.array([0, 0, 1, 1]), 2, 1)
    with pytest.raises(ValueError, match=r'classes \[1, 2\] have \[1, 0\]'):
        fold_numbers(np.array([0, 0, 1]), 3, 2)


def test_bbse_takes_the_confusion_of_all_folds():
    folds = [make_fold(seed) for seed in (0, 1)]
    confusion = np.zeros((3, 3))
    for fold in folds:
        for label, probs in zip(fold.labels, fold.probs, strict=True):
            confusion[label, probs.argmax()] += 1
    predicted = sum(np.bincount(fold.others.argmax(1), minlength=3) for fold in folds)
    expected = smoothed_shares(60 * bbse_shares(confusion, predicted))
    assert bbse_of_folds(folds) == pytest.approx(expected)
    assert bbse_of_folds(folds)[0] == pytest.approx(0.7, abs=0.15)


def test_em_is_calibrated_with_the_left_out_labels():
    folds = [make_fold(seed) for seed in (0, 1)]
    shares, temperature = em_of_folds(folds, np.ones(3))
    assert shares == pytest.approx([0.7, 0.2, 0.1], abs=0.1)

    # Flatter predictions with a temperature to match give the same shares.
    flat = [
        Fold(
            *(
                q**0.3 / (q**0.3).sum(1, keepdims=True) if q.ndim == 2 else q
                for q in vars(f).values()
            )
        )
        for f in folds
    ]
    again, lower = em_of_folds(flat, np.ones(3))
    assert lower == pytest.approx(0.3 * temperature, rel=1e-3)
    assert again == pytest.approx(shares, abs=1e-3)

    # Negative control: without calibration they differ.
    alone = em_shares(np.concatenate([f.others for f in flat]), np.ones(3))
    assert np.abs(alone - shares).max() > 0.01


@pytest.fixture
def cfg():
    cfg = Config.fromfile(CE)
    cfg.train_dataloader.dataset.unlabeled.num_images = 20
    cfg.train_dataloader.dataset.labeled.num_images = 30
    return cfg


def test_images_are_those_of_training_as_validation_shows_them(cfg):
    dataset = images_to_predict(cfg)
    assert (dataset.num_labeled, dataset.num_unlabeled) == (30, 20)
    assert (dataset[3]['inputs'] == dataset[3]['inputs']).all()  # nothing random
    assert 'gt_label' not in dataset[30]['data_samples']
    assert drawn_counts(dataset, 10, False).tolist() == [3] * 10
    assert drawn_counts(dataset, 12, False).tolist() == [3] * 10 + [0] * 2
    assert drawn_counts(dataset, 10, True).tolist() == [1] * 10


def test_runs_leave_out_what_they_predict(cfg, tmp_path):
    dataset = images_to_predict(cfg)
    plans = plan_folds('ce', cfg, dataset.labels(), 10, 3, tmp_path)
    assert len({run.folder for run, _ in plans}) == 3
    assert sorted(np.concatenate([places for _, places in plans])) == list(range(30))
    for run, left_out in plans:
        kept = run.cfg.train_dataloader.dataset.labeled.indices
        assert sorted([*kept, *left_out]) == list(range(30))
        trained = DATASETS.build(run.cfg.train_dataloader.dataset)
        assert (trained.labels() == dataset.labels()[kept]).all()


@pytest.mark.parametrize('change', ['indices', 'no unlabelled', 'a list'])
def test_sources_that_cannot_be_divided(cfg, change):
    source = cfg.train_dataloader.dataset
    if change == 'indices':
        source.labeled.indices = [0, 1]
    elif change == 'no unlabelled':
        source.unlabeled = None
    else:
        source.labeled = [source.labeled]
    with pytest.raises(ValueError, match='so that a part of them can be left out'):
        images_to_predict(cfg)
