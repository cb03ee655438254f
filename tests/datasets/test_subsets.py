import numpy as np
import pytest
from mmengine.dataset import pseudo_collate
from torch.utils.data import DataLoader

from mmsemiloc.datasets import DigitScenes, SemiSupDataset
from mmsemiloc.datasets.subsets import draw_subset, subset_loader, subset_of

SORTED = np.repeat([0, 1, 2], [100, 50, 4])


@pytest.mark.parametrize(
    'num_images, counts',
    [(3, [1, 1, 1]), (12, [4, 4, 4]), (20, [8, 8, 4]), (150, None), (999, None)],
)
def test_classes_come_evenly_from_a_folder_sorted_by_class(num_images, counts):
    chosen = draw_subset(SORTED, len(SORTED), num_images)
    assert len(set(chosen.tolist())) == min(num_images, len(SORTED)) and (np.diff(chosen) > 0).all()
    if counts:
        assert np.bincount(SORTED[chosen]).tolist() == counts
        assert (
            np.bincount(SORTED[:num_images], minlength=3).tolist() != counts
        )  # what the first ones would be


def test_the_seed_decides():
    first, again, other = (draw_subset(SORTED, 154, 12, seed).tolist() for seed in (0, 0, 1))
    assert first == again != other
    assert set(first) <= set(draw_subset(SORTED, 154, 40, 0).tolist())


def test_without_labels_they_are_spread_over_the_dataset():
    chosen = draw_subset(None, 1000, 100)
    assert len(set(chosen.tolist())) == 100 and 300 < np.median(chosen) < 700
    assert draw_subset(None, 5, None).tolist() == [0, 1, 2, 3, 4]
    assert draw_subset(np.array([7, 7, 9, 9]), 4, 2).tolist() in (
        [0, 2],
        [0, 3],
        [1, 2],
        [1, 3],
    )  # numbers with gaps


def test_labels_of_datasets(sources):
    scenes = DigitScenes(num_images=30)
    labels = scenes.get_gt_labels()
    assert np.bincount(labels[subset_of(scenes, 10)]).tolist() == [1] * 10
    dataset = SemiSupDataset(sources.config('labeled'), sources.config('unlabeled'))
    assert len(subset_of(dataset, 4)) == len(subset_of(dataset.unlabeled, 4)) == 4  # without labels
    assert (subset_of(dataset.labeled, 2) % 2).tolist() in ([0, 1], [1, 0])


def test_a_loader_of_some_images():
    scenes = DigitScenes(num_images=30, pipeline=[dict(type='PackInputs')])
    loader = DataLoader(scenes, batch_size=4, collate_fn=pseudo_collate)
    batches = list(subset_loader(loader, np.array([3, 7, 8, 11, 29])))
    assert [int(sample.gt_label) for batch in batches for sample in batch['data_samples']] == [
        3,
        7,
        8,
        1,
        9,
    ]
    assert len(batches) == 2
