"""tools/few_labels.py on a handful of images in the files' format."""

import csv

import numpy as np
import pytest

from tests.datasets.test_fashion_mnist import idx
from tests.tools.conftest import run_tool


@pytest.fixture
def images(tmp_path):
    """The four files: 6 training images per class beside the validation images, 3 test images."""
    rng = np.random.default_rng(0)
    for part, per_class in (('train', 506), ('t10k', 3)):
        labels = np.tile(np.arange(10), per_class)
        pictures = rng.integers(0, 40, (len(labels), 28, 28))
        for picture, label in zip(pictures, labels, strict=True):
            picture[2 * label : 2 * label + 6] += 200  # a stripe
        (tmp_path / f'{part}-images-idx3-ubyte').write_bytes(idx(pictures))
        (tmp_path / f'{part}-labels-idx1-ubyte').write_bytes(idx(labels))
    return tmp_path


def read(file):
    with file.open() as stream:
        return list(csv.DictReader(stream))


@pytest.mark.slow
def test_a_comparison_grows(images, tmp_path):
    places = ('--data-root', images, '--cache', tmp_path / 'cache', '--work-dir', tmp_path / 'out')
    output, _ = run_tool('few_labels.py', 'fashion_mnist', '--labels', 1, '--draws', 1, *places)
    assert 'accuracy %' in output
    assert 'CE + MEL + NBEL minus' in output

    # Stripes are easy: every method is above chance.
    rows = read(tmp_path / 'out/results.csv')
    assert len({row['method'] for row in rows}) == len(rows) == 15
    assert min(float(row['accuracy']) for row in rows) > 20
    first = (tmp_path / 'out/1_labels/draw_010.npz').stat().st_mtime_ns

    # A second draw joins; the first one is read back.
    run_tool('few_labels.py', 'fashion_mnist', '--labels', 1, '--draws', 2, *places)
    assert read(tmp_path / 'out/results.csv')[:15] == rows
    assert (tmp_path / 'out/1_labels/draw_010.npz').stat().st_mtime_ns == first
    found = read(tmp_path / 'out/differences.csv')
    assert len(found) == 3 * 14 and all(float(row['low']) <= float(row['high']) for row in found)
    assert {path.name for path in (tmp_path / 'out').iterdir()} == {
        '1_labels', 'accuracy.png', 'differences.csv', 'results.csv', 'tables.md',
    }  # fmt: skip


@pytest.mark.slow
def test_maps_with_and_without_the_locality_penalty(images, tmp_path):
    places = ('--data-root', images, '--cache', tmp_path / 'cache', '--work-dir', tmp_path / 'out')
    options = ('--labels', 2, '--draws', 2, '--maps')
    output, _ = run_tool('few_labels.py', 'fashion_mnist', *options, *places)
    assert 'CAM area %' in output
    rows = read(tmp_path / 'out/maps.csv')
    assert len(rows) == 2 * 5 and all(0 < float(row['cam_area']) < 100 for row in rows)

    # The heaviest penalty changes the maps.
    assert rows[0]['cam_area'] != rows[4]['cam_area']
    assert (tmp_path / 'out/maps.png').stat().st_size > 10_000


@pytest.mark.parametrize(
    'args, match',
    [
        (['mnist'], "argument SET: invalid choice: 'mnist'"),
        (['fashion_mnist', '--labels', '0'], 'a whole number of at least 1, got 0'),
        (['elpv', '--maps'], '--maps takes one number of labels per class'),
        (['fashion_mnist', '--data-root', 'nowhere'], 'there is no nowhere/train-images'),
    ],
)
def test_wrong_arguments_are_one_line(refuse, args, match):
    assert match in refuse('few_labels', *args)


def test_too_many_labels_per_class_are_refused_before_the_work(images, tmp_path):
    places = ('--data-root', images, '--cache', tmp_path / 'cache', '--work-dir', tmp_path / 'out')
    numbers = ('--labels', 1, 7)
    _, message = run_tool('few_labels.py', 'fashion_mnist', *numbers, *places, status=2)
    assert 'per_class=7, but class 0 has 6 images' in message
    assert not (tmp_path / 'cache').exists()
