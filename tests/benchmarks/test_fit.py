import csv
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.fit import Measured, fit_table, measure_fit, write_labels, write_photos

NAMES = ['bag', 'coat'] * 6


def test_labels_are_drawn_by_the_seed(tmp_path):
    file = tmp_path / 'labels.csv'
    drawn = write_labels(NAMES, 2, seed=0, file=file)
    with file.open() as stream:
        rows = list(csv.DictReader(stream))
    assert {row['file'] for row in rows} == drawn
    assert sorted(row['label'] for row in rows) == ['bag', 'bag', 'coat', 'coat']
    assert all(NAMES[int(row['file'][:5])] == row['label'] for row in rows)
    assert any(write_labels(NAMES, 2, seed, file) != drawn for seed in (1, 2, 3))


def test_a_call_is_measured_on_what_it_has_no_label_of(tmp_path, monkeypatch):
    """Two kinds of grey images, in the place of Fashion-MNIST."""
    rng = np.random.default_rng(0)

    def info(place):
        noise = rng.integers(0, 60, (28, 28, 1))
        return dict(img=(noise + 150 * (place % 2)).astype(np.uint8), gt_label=place % 2)

    made = SimpleNamespace(get_data_info=info, metainfo=dict(classes=('bag', 'coat')))
    monkeypatch.setattr('benchmarks.fit.FashionMNIST', lambda split: made)
    (row,) = measure_fit(images=24, per_class=3, seeds=[1])
    assert row.seed == 1 and row.accuracy == 100 and row.said.startswith('100.0 %, 95 % interval')
    assert row.seconds > 0 and row.memory > 100
    assert write_photos(made, 3, tmp_path / 'some') == ['bag', 'coat', 'bag']


def test_table():
    row = Measured(0, 100.4, 2000.0, '77.5 %, 95 % interval 71.2 to 82.7 %', 79.74)
    table = fit_table([row], 5200, 20)
    assert table.rows == [['0', '100', '2000', '77.5 %, 71.2 to 82.7 %', '79.7']]
    assert '5200 images' in table.title and '20 labels per class' in table.title


def test_an_accuracy_below_100_is_seen(tmp_path, monkeypatch):
    """Negative control: images whose class cannot be seen."""
    rng = np.random.default_rng(0)

    def info(place):
        image = rng.integers(0, 255, (28, 28, 1)).astype(np.uint8)
        return dict(img=image, gt_label=int(rng.integers(2)))

    made = SimpleNamespace(get_data_info=info, metainfo=dict(classes=('bag', 'coat')))
    monkeypatch.setattr('benchmarks.fit.FashionMNIST', lambda split: made)
    (row,) = measure_fit(images=40, per_class=3, seeds=[0])
    assert row.accuracy == pytest.approx(50, abs=30)
