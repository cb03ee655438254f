"""Boxes that do not belong to the pixels are refused, whatever transform parts them."""

import numpy as np
import pytest
from mmengine.dataset import Compose

from mmsemiloc.datasets import DigitScenes, TolerantDataset
from mmsemiloc.datasets.checks.box_motion import check_moves_boxes
from tests.datasets.conftest import save_image
from tests.datasets.test_localization_boxes import write

LOAD, PACK = dict(type='LoadImageFromFile'), dict(type='PackInputs', algorithm_keys=('gt_bboxes',))
SOUND = {
    'nothing': [],
    'resize': [dict(type='Resize', scale=(64, 64))],
    'keep ratio': [dict(type='Resize', scale=(64, 50), keep_ratio=True)],
    'crop': [dict(type='Resize', scale=(64, 64)), dict(type='CenterCrop', crop_size=48)],
    'flip': [dict(type='RandomFlip', prob=0.5)],
    'pad': [dict(type='Pad', size=(200, 200))],
    'random resize': [dict(type='RandomResize', scale=(64, 64), ratio_range=(0.5, 2.0))],
    'colour': [
        dict(type='Invert', prob=1.0),
        dict(type='Solarize', thr=100),
        dict(type='Equalize'),
        dict(type='AutoContrast'),
        dict(type='ColorJitter', brightness=0.4, hue=0.1),
        dict(type='RandomGrayscale', prob=0.5, keep_channels=True),
    ],
    'erasing': [
        dict(type='RandomErasing', erase_prob=1.0, mode='rand'),
        dict(type='Cutout', shape=10, prob=1.0),
    ],
    'normalize': [dict(type='Normalize', mean=[1, 2, 3], std=[4, 5, 6])],
    'as large as before': [
        dict(type='ResizeEdge', scale=40),
        dict(type='mmpretrain.RandomCrop', crop_size=(40, 60)),
    ],
}
APART = {
    'ResizeEdge': dict(type='ResizeEdge', scale=64),
    'RandomResizedCrop': dict(type='RandomResizedCrop', scale=40),
    'RandomCrop': dict(type='RandomCrop', crop_size=30),
    'EfficientNetCenterCrop': dict(type='EfficientNetCenterCrop', crop_size=32),
    'Rotate': dict(type='Rotate', angle=30.0, prob=0.5),
    'Shear': dict(type='Shear', magnitude=0.4, prob=0.5),
    'Translate': dict(type='Translate', magnitude=0.3, prob=0.5),
    'RandAugment': dict(
        type='RandAugment',
        num_policies=1,
        magnitude_level=10,
        policies=[dict(type='Rotate', magnitude_range=(0, 60))],
    ),
}


@pytest.fixture
def make(sources, tmp_path):
    """Images with boxes from XML files, for the transforms between loading and packing."""

    def build(*transforms, boxes_at=1):
        for i in range(6):
            save_image(sources.root / 'labeled' / f'ø {i}.jpg', (40, 60), i)
            write(tmp_path / 'boxes' / f'ø {i}.xml', (10, 10, 30, 30))
        pipeline = [LOAD, *transforms, PACK]
        pipeline.insert(
            boxes_at, dict(type='mmsemiloc.LoadLocalizationBoxes', ann_dir=str(tmp_path / 'boxes'))
        )
        return TolerantDataset({**sources.config('labeled'), 'pipeline': pipeline})

    return build


@pytest.mark.parametrize('name', SOUND)
def test_what_moves_both_or_none_passes(make, name):
    check_moves_boxes(make(*SOUND[name]), 'validation')


@pytest.mark.parametrize('name', APART)
def test_what_moves_the_pixels_alone_is_named(make, name):
    match = (
        rf'^transform {name} moves the pixels of validation image 0 of 6 \(.*ø 0.jpg\) '
        rf'without their gt_bboxes: '
        "mmcv's Resize, CenterCrop, RandomFlip and Pad move both$"
    )
    with pytest.raises(ValueError, match=match):
        check_moves_boxes(make(dict(type='Invert'), APART[name]), 'validation')


def test_an_own_flip_is_named_too(make):
    def mirror(results):
        results['img'] = results['img'][:, ::-1]
        return results

    dataset = make()
    leaf = dataset.datasets[0]
    leaf.pipeline = Compose([*leaf.pipeline.transforms[:2], mirror, leaf.pipeline.transforms[-1]])
    with pytest.raises(ValueError, match='transform mirror moves'):
        check_moves_boxes(dataset, 'test')


def test_boxes_that_are_read_after_the_pixels_have_moved(make):
    with pytest.raises(
        ValueError,
        match='transform Resize moves the pixels .* before LoadLocalizationBoxes reads gt_bboxes',
    ):
        check_moves_boxes(make(dict(type='Resize', scale=(200, 90)), boxes_at=2), 'validation')
    check_moves_boxes(make(dict(type='Invert'), boxes_at=2), 'validation')


def test_boxes_and_masks_in_memory():
    check_moves_boxes(
        DigitScenes(num_images=2, pipeline=[dict(type='Resize', scale=(48, 40)), PACK]), 'test'
    )
    with pytest.raises(
        ValueError,
        match='ResizeEdge moves the pixels of test image 0 of 2 .no path. without their gt_bboxes',
    ):
        check_moves_boxes(
            DigitScenes(num_images=2, pipeline=[dict(type='ResizeEdge', scale=48), PACK]), 'test'
        )

    def boxes_alone(results):
        results['img'] = np.flip(results['img'], 1)
        results['gt_bboxes'][:, [0, 2]] = 32 - results['gt_bboxes'][:, [2, 0]]
        return results

    masks = dict(type='PackInputs', algorithm_keys=('gt_seg_map', 'gt_bboxes'))
    with pytest.raises(ValueError, match='boxes_alone .* without their gt_seg_map'):
        check_moves_boxes(DigitScenes(num_images=2, pipeline=[boxes_alone, masks]), 'test')
    check_moves_boxes(
        DigitScenes(num_images=2, pipeline=[boxes_alone, PACK]), 'test'
    )  # no masks are packed


def test_boxes_that_nobody_uses_pass():
    """As in training, whose pipelines do not pack them."""
    check_moves_boxes(
        DigitScenes(num_images=2, pipeline=[APART['Rotate'], dict(type='PackInputs')]), 'test'
    )


def test_images_without_boxes_pass(sources):
    check_moves_boxes(
        TolerantDataset(
            {**sources.config('labeled'), 'pipeline': [LOAD, APART['ResizeEdge'], PACK]}
        ),
        'test',
    )


def test_random_numbers_go_on_as_before(make):
    dataset = make(*SOUND['flip'])
    np.random.seed(3)
    expected = np.random.rand()
    np.random.seed(3)
    check_moves_boxes(dataset, 'test')
    assert np.random.rand() == expected
