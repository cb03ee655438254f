import numpy as np
import pytest
import torch
from mmengine.dataset import ClassBalancedDataset, ConcatDataset, RepeatDataset
from mmpretrain.datasets import BaseDataset, CustomDataset, KFoldDataset
from PIL import Image

from mmsemiloc.datasets import DigitScenes, SemiSupDataset, SemiSupSampler
from tests.datasets.conftest import save_image

PACK = [dict(type='PackInputs')]


def digits(**kwargs):
    return DigitScenes(pipeline=PACK, **kwargs)


def test_labels_of_unlabelled_images_are_removed():
    dataset = SemiSupDataset(digits(num_images=5), digits(first=5, num_images=7))
    assert (dataset.num_labeled, dataset.num_unlabeled, len(dataset)) == (5, 7, 12)
    assert ['gt_label' in dataset[i]['data_samples'] for i in range(12)] == [True] * 5 + [False] * 7
    assert (
        'gt_label' in dataset.datasets[1][0]['data_samples']
    )  # negative control: the parts do have them


def test_configs_and_class_counts():
    dataset = SemiSupDataset(
        labeled=dict(type='mmsemiloc.DigitScenes', num_images=13),
        unlabeled=dict(type='mmsemiloc.DigitScenes', num_images=2),
    )
    assert dataset.labeled_class_counts() == [2, 2, 2, 1, 1, 1, 1, 1, 1, 1]
    assert dataset.metainfo['classes'] == tuple('0123456789')


def test_no_labelled_images():
    dataset = SemiSupDataset(None, digits(num_images=7))
    assert (dataset.num_labeled, dataset.num_unlabeled, len(dataset)) == (0, 7, 7)
    assert not any('gt_label' in dataset[i]['data_samples'] for i in range(7))
    assert 'classes' not in dataset.metainfo  # those of unlabelled images do not count
    assert dataset.labels().tolist() == [] and dataset.labeled_class_counts(3) == [0, 0, 0]
    dataset.check(10, digits(split='val', num_images=2))
    sampler = SemiSupSampler(dataset, 4, labeled_ratio=0.0, epoch_length='unlabeled', seed=0)
    assert sorted(list(sampler)[:7]) == list(range(7))
    with pytest.raises(ValueError, match='needs 2 labelled images .* has 0 of 7'):
        SemiSupSampler(dataset, 4, labeled_ratio=0.5)
    with pytest.raises(ValueError, match='needs labelled or unlabelled images, got neither'):
        SemiSupDataset(None)


def test_unlabelled_folder_without_classes(tmp_path):
    for i in range(3):
        Image.fromarray(np.full((8, 8, 3), i, np.uint8)).save(tmp_path / f'{i}.png')
    unlabeled = CustomDataset(
        data_root=str(tmp_path),
        with_label=False,
        pipeline=[dict(type='LoadImageFromFile'), dict(type='PackInputs')],
    )
    dataset = SemiSupDataset(digits(num_images=2), unlabeled)
    assert len(dataset) == 5 and 'gt_label' not in dataset[4]['data_samples']
    assert dataset.metainfo['classes'] == tuple('0123456789')


def test_several_datasets_are_one_source():
    parts = [
        dict(type='mmsemiloc.DigitScenes', num_images=4, pipeline=PACK),
        digits(first=10, num_images=3),
    ]
    dataset = SemiSupDataset(
        parts, [digits(first=20, num_images=2), ConcatDataset([digits(first=30, num_images=1)])]
    )
    assert (dataset.num_labeled, dataset.num_unlabeled) == (7, 3)
    assert dataset.labels().tolist() == [0, 1, 2, 3, 0, 1, 2]
    assert ['gt_label' in dataset[i]['data_samples'] for i in range(10)] == [True] * 7 + [False] * 3
    assert torch.equal(dataset[9]['inputs'], digits(first=30, num_images=1)[0]['inputs'])


def test_labelled_datasets_with_other_classes_are_refused():
    other = digits(num_images=2, metainfo=dict(classes=tuple('abcdefghij')))
    with pytest.raises(
        ValueError,
        match="labelled data set 1 and labelled data set 0 have different classes.*'a'.*'0'",
    ):
        SemiSupDataset([digits(num_images=2), other])
    SemiSupDataset(
        digits(num_images=2), [digits(num_images=2), other]
    )  # the classes of unlabelled ones do not matter


def test_labelled_image_without_label_is_named():

    class Broken(BaseDataset):
        METAINFO = dict(classes=('a',))

        def load_data_list(self):
            return [dict(img=np.zeros((4, 4, 3), np.uint8), img_path='x/y.png')]

    with pytest.raises(ValueError, match='labelled image 0 has no label .x/y.png'):
        SemiSupDataset(Broken(ann_file='', pipeline=PACK))[0]


@pytest.mark.parametrize(
    'wrapper, expected',
    [
        (lambda part: RepeatDataset(part, times=3), 10),  # the sampler repeats by itself
        (lambda part: ClassBalancedDataset(part, oversample_thr=0.4), 20),
        (
            lambda part: KFoldDataset(
                dict(type='mmsemiloc.DigitScenes', num_images=10), fold=0, num_splits=5
            ),
            8,
        ),
        (lambda part: ConcatDataset([part]), 10),
    ],
)
def test_wrapped_labelled_images(wrapper, expected):
    dataset = SemiSupDataset(wrapper(digits(num_images=10)), digits(num_images=3, first=10))
    assert (dataset.num_labeled, dataset.num_unlabeled) == (expected, 3)
    assert sum(dataset.labeled_class_counts()) == expected == len(dataset.labels())
    dataset.check(10)


def test_an_image_that_is_repeated_on_purpose_is_not_labelled_twice(tmp_path):
    for kind, count in (('a', 1), ('b', 9)):
        for i in range(count):
            save_image(tmp_path / kind / f'{i}.png', seed=i)
    part = CustomDataset(data_root=str(tmp_path), pipeline=[])
    dataset = SemiSupDataset(ClassBalancedDataset(part, oversample_thr=0.5))
    assert dataset.labeled_class_counts() == [3, 9]
    dataset.check(2)
    with pytest.raises(ValueError, match='is labelled image 0 too'):  # negative control
        SemiSupDataset([part, part]).check(2)


@pytest.mark.parametrize('label', [[0, 1], 0.5, '1'])
def test_labels_that_are_not_one_class_are_refused(label):
    dataset = SemiSupDataset(digits(num_images=2))
    dataset.labeled.datasets[0].get_data_info = lambda place: dict(gt_label=label)
    with pytest.raises(ValueError, match='labelled image 0 of 2 .* one class per image is needed'):
        dataset.check(10)


def test_a_thing_that_is_no_dataset_is_refused():
    with pytest.raises(ValueError, match='takes datasets of MMEngine and MMPretrain, got Sequence'):
        SemiSupDataset(type('Sequence', (), {'__len__': lambda self: 2})())
