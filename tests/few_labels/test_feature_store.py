"""Features on disk: whole rows only, whatever was killed."""

import hashlib

import numpy as np
import pytest

from mmsemiloc.few_labels.feature_store import DIGEST, FeatureStore


def keys(*names):
    return [hashlib.sha256(name.encode()).digest() for name in names]


def rows(*values):
    return np.array([[value, -value] for value in values], np.float32)


@pytest.fixture
def store(tmp_path):
    store = FeatureStore(tmp_path / 'features', (2,))
    store.append(keys('a', 'b', 'c'), rows(1, 2, 3))
    return store


def test_rows_come_back_by_their_keys_in_another_process(store):
    again = FeatureStore(store.keys_file.parent, (2,))
    np.testing.assert_array_equal(again.read(keys('c', 'a')), rows(3, 1))
    assert len(again) == 3 and keys('b')[0] in again and keys('x')[0] not in again


def test_rows_in_their_order_are_mapped_and_not_read(store):
    assert isinstance(store.read(keys('b', 'c')).base, np.memmap)
    np.testing.assert_array_equal(store.read(keys('b', 'c')), rows(2, 3))


def test_what_is_there_is_not_written_again(store):
    store.append(keys('b', 'd'), rows(20, 4))
    np.testing.assert_array_equal(store.read(keys('a', 'b', 'd')), rows(1, 2, 4))
    assert store.rows_file.stat().st_size == 4 * store.row_bytes


@pytest.mark.parametrize('lost', [1, 5, 8])
@pytest.mark.parametrize('file', ['keys', 'rows'])
def test_a_torn_end_is_cut_off_and_written_anew(store, file, lost):
    """A kill may leave a part of a row, or rows without keys."""
    path = store.keys_file if file == 'keys' else store.rows_file
    path.write_bytes(path.read_bytes()[:-lost])

    again = FeatureStore(path.parent, (2,))
    assert len(again) == 2
    again.append(keys('c', 'd'), rows(30, 4))
    np.testing.assert_array_equal(again.read(keys('a', 'b', 'c', 'd')), rows(1, 2, 30, 4))
    assert again.keys_file.stat().st_size == 4 * DIGEST


def test_the_same_content_twice_is_one_row(store):
    """Two copies of a photograph, in one batch."""
    store.append(keys('d', 'd', 'e'), rows(4, 4, 5))
    store.append(keys('f'), rows(6))
    again = FeatureStore(store.keys_file.parent, (2,))
    for one in (store, again):
        np.testing.assert_array_equal(one.read(keys('f', 'd', 'e')), rows(6, 4, 5))
    assert store.rows_file.stat().st_size == 6 * store.row_bytes


def test_two_writers_do_not_lose_rows_of_each_other(store):
    other = FeatureStore(store.keys_file.parent, (2,))
    store.append(keys('d'), rows(4))
    other.append(keys('e'), rows(5))
    store.refresh()
    np.testing.assert_array_equal(store.read(keys('d', 'e')), rows(4, 5))


def test_no_rows_are_an_empty_array(store):
    assert store.read([]).shape == (0, 2)


@pytest.mark.parametrize(
    'key, values, match',
    [
        ('x', np.zeros((1, 3)), r'rows must have shape \(1, 2\), got \(1, 3\)'),
        ('x', np.array([[1, np.nan]]), '1 of 1 rows of features are not finite'),
    ],
)
def test_rows_that_do_not_fit_are_refused(store, key, values, match):
    with pytest.raises(ValueError, match=match):
        store.append(keys(key), values)
    assert len(store) == 3


def test_a_folder_of_other_rows_is_refused(store):
    with pytest.raises(ValueError, match=r'rows of \(2,\) float32, not of \(3,\) float32: delete'):
        FeatureStore(store.keys_file.parent, (3,))
