import numpy as np
import pytest
import torch
from mmengine.dataset import ConcatDataset
from mmpretrain.datasets import BaseDataset, CustomDataset
from PIL import Image

from mmsemiloc.datasets import DigitScenes, SemiSupDataset

PACK = [dict(type='PackInputs')]


def digits(**kwargs):
    return DigitScenes(pipeline=PACK, **kwargs)


def test_labels_of_unlabelled_images_are_removed():
    dataset = SemiSupDataset(digits(num_images=5), digits(first=5, num_images=7))
    assert (dataset.num_labeled, dataset.num_unlabeled, len(dataset)) == (5, 7, 12)
    assert ['gt_label' in dataset[i]['data_samples'] for i in range(12)] == [True] * 5 + [False] * 7
    assert 'gt_label' in dataset.datasets[1][0]['data_samples']  # negative control: the parts do have them


def test_configs_and_class_counts():
    dataset = SemiSupDataset(
        labeled=dict(type='mmsemiloc.DigitScenes', num_images=13), unlabeled=dict(type='mmsemiloc.DigitScenes', num_images=2))
    assert dataset.labeled_class_counts() == [2, 2, 2, 1, 1, 1, 1, 1, 1, 1]
    assert dataset.metainfo['classes'] == tuple('0123456789')


def test_unlabelled_folder_without_classes(tmp_path):
    for i in range(3):
        Image.fromarray(np.full((8, 8, 3), i, np.uint8)).save(tmp_path / f'{i}.png')
    unlabeled = CustomDataset(
        data_root=str(tmp_path), with_label=False, pipeline=[dict(type='LoadImageFromFile'), dict(type='PackInputs')])
    dataset = SemiSupDataset(digits(num_images=2), unlabeled)
    assert len(dataset) == 5 and 'gt_label' not in dataset[4]['data_samples']
    assert dataset.metainfo['classes'] == tuple('0123456789')


def test_several_datasets_are_one_source():
    parts = [dict(type='mmsemiloc.DigitScenes', num_images=4, pipeline=PACK), digits(first=10, num_images=3)]
    dataset = SemiSupDataset(parts, [digits(first=20, num_images=2), ConcatDataset([digits(first=30, num_images=1)])])
    assert (dataset.num_labeled, dataset.num_unlabeled) == (7, 3)
    assert dataset.labels().tolist() == [0, 1, 2, 3, 0, 1, 2]
    assert ['gt_label' in dataset[i]['data_samples'] for i in range(10)] == [True] * 7 + [False] * 3
    assert torch.equal(dataset[9]['inputs'], digits(first=30, num_images=1)[0]['inputs'])


def test_labelled_datasets_with_other_classes_are_refused():
    other = digits(num_images=2, metainfo=dict(classes=tuple('abcdefghij')))
    with pytest.raises(ValueError, match="labelled data set 1 and labelled data set 0 have different classes.*'a'.*'0'"):
        SemiSupDataset([digits(num_images=2), other])
    SemiSupDataset(digits(num_images=2), [digits(num_images=2), other])  # the classes of unlabelled ones do not matter


def test_labelled_image_without_label_is_named():

    class Broken(BaseDataset):
        METAINFO = dict(classes=('a', ))

        def load_data_list(self):
            return [dict(img=np.zeros((4, 4, 3), np.uint8), img_path='x/y.png')]

    with pytest.raises(ValueError, match='labelled image 0 has no label .x/y.png'):
        SemiSupDataset(Broken(ann_file='', pipeline=PACK))[0]
