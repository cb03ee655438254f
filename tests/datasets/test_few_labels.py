import mmpretrain.datasets
import numpy as np
import pytest

from mmsemiloc.datasets import SemiSupDataset
from mmsemiloc.datasets.few_labels import FewLabelsMixin, draw_labels

LABELS = np.repeat([0, 1, 2], [50, 20, 8])[np.random.default_rng(7).permutation(78)]


@pytest.mark.parametrize('per_class', [1, 2, 8])
def test_each_class_has_as_many(per_class):
    drawn = draw_labels(LABELS, per_class, seed=3)
    assert np.bincount(LABELS[drawn]).tolist() == [per_class] * 3
    assert np.array_equal(drawn, np.unique(drawn))


def test_draws_are_nested_and_follow_the_seed():
    small, large = (set(draw_labels(LABELS, k, seed=5).tolist()) for k in (2, 6))
    assert small < large
    assert not np.array_equal(draw_labels(LABELS, 6, seed=6), sorted(large))
    assert draw_labels(LABELS, 2, seed=5).tolist() == sorted(small)


def test_every_image_is_drawn_equally_often():
    counts = np.zeros(78)
    for seed in range(600):
        counts[draw_labels(LABELS, 2, seed)] += 1
    for label, size in enumerate((50, 20, 8)):
        expected = 600 * 2 / size
        deviation = np.sqrt(expected * (1 - 2 / size))
        assert abs(counts[LABELS == label] - expected).max() < 4.5 * deviation


def test_numbers_of_classes_may_have_gaps():
    labels = np.array([5, 9, 5, 9, 9])
    assert np.unique(labels[draw_labels(labels, 1)]).tolist() == [5, 9]


@pytest.mark.parametrize(
    'kwargs, match',
    [
        (dict(per_class=9), 'per_class=9, but class 2 has 8 images: choose fewer'),
        (dict(per_class=0), 'per_class must be at least 1 and seed at least 0, got 0 and 0'),
        (dict(per_class=1, seed=-1), 'got 1 and -1'),
        (dict(labels=LABELS[:0], per_class=1), 'there are 0 images'),
    ],
)
def test_bad_draws(kwargs, match):
    with pytest.raises(ValueError, match=match):
        draw_labels(**{'labels': LABELS, **kwargs})


class NumberedImages(FewLabelsMixin, mmpretrain.datasets.BaseDataset):
    """Records that know their number."""

    METAINFO = {'classes': tuple('abc')}

    def __init__(self, **kwargs):
        super().__init__(ann_file='', **kwargs)

    def load_data_list(self):
        return [dict(gt_label=int(label), place=i) for i, label in enumerate(LABELS)]


def places(dataset):
    """Numbers of the images of a dataset in the whole."""
    return {dataset.get_data_info(i)['place'] for i in range(len(dataset))}


def test_unlabelled_images_are_all_others():
    known, others = (
        NumberedImages(per_class=3, seed=1, labeled=labeled) for labeled in (True, False)
    )
    assert places(known) == set(draw_labels(LABELS, 3, seed=1).tolist())
    assert not places(known) & places(others) and len(places(known) | places(others)) == 78
    assert len(NumberedImages()) == len(NumberedImages(labeled=False)) == 78
    other_seed = NumberedImages(per_class=3, seed=2, labeled=False)
    assert places(known) & places(other_seed)  # negative control: two seeds leak


def test_indices_count_within_the_drawn_images():
    part = NumberedImages(per_class=3, seed=1, indices=[0, 4])
    drawn = draw_labels(LABELS, 3, seed=1)
    assert places(part) == {drawn[0], drawn[4]}


def test_the_dataset_is_named_when_a_class_is_too_small():
    with pytest.raises(ValueError, match='NumberedImages: per_class=9, but class 2 has 8 images'):
        NumberedImages(per_class=9)


def test_the_two_parts_are_sources_of_a_batch():
    dataset = SemiSupDataset(
        NumberedImages(per_class=2), NumberedImages(per_class=2, labeled=False)
    )
    assert (dataset.num_labeled, dataset.num_unlabeled) == (6, 72)
    assert dataset.labeled_class_counts() == [2, 2, 2]
