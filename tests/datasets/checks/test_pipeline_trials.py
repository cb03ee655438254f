"""Pipelines that are sound pass, seldom drawn faults are found, and random numbers are left
alone."""

import random

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import Compose
from PIL import Image

from mmsemiloc.datasets import DigitScenes, SemiSupDataset, TolerantDataset
from mmsemiloc.datasets.checks.pipeline_trials import try_pipelines
from mmsemiloc.datasets.images.errors import TransformError, UnreadableImageError
from tests.datasets.conftest import POLICIES, load_names
from tests.tools.conftest import ROOT

LOAD, PACK = dict(type='LoadImageFromFile'), dict(type='PackInputs')
GREY = dict(type='LoadImageFromFile', color_type='grayscale')
NEVER = 1e-9
USUAL = {
    'erasing': [dict(type='RandomErasing', erase_prob=0.25, mode='rand', fill_std=[1, 1, 1])],
    'colour': [
        dict(type='ColorJitter', brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1),
        dict(type='RandomGrayscale', prob=0.2, keep_channels=True),
        dict(type='GaussianBlur', radius=1, prob=0.1),
        dict(type='Lighting', eigval=[0.2, 0.1, 0.1], eigvec=np.eye(3).tolist()),
    ],
    'autoaugment': [dict(type='AutoAugment', policies='imagenet')],
    'randaugment': [
        dict(type='RandAugment', policies='timm_increasing', num_policies=2, magnitude_level=9)
    ],
    'choice': [
        dict(
            type='RandomChoice', transforms=[[dict(type='Solarize', thr=9)], [dict(type='Invert')]]
        ),
        dict(type='RandomApply', transforms=[dict(type='Resize', scale=30)], prob=0.1),
    ],
    'flips': [dict(type='RandomFlip', prob=[0.1, 0.2], direction=['horizontal', 'vertical'])],
    'sizes': [
        dict(type='ResizeEdge', scale=32),
        dict(type='RandomCrop', crop_size=28),
        dict(type='RandomResizedCrop', scale=16),
        dict(type='Resize', scale=(40, 40)),
        dict(type='CenterCrop', crop_size=32),
        dict(type='Pad', size=(40, 40)),
        dict(type='EfficientNetCenterCrop', crop_size=24),
        dict(type='EfficientNetRandomCrop', scale=24),
    ],
    'torchvision': [
        dict(type='NumpyToPIL', to_rgb=True),
        dict(type='torchvision/RandomResizedCrop', size=20),
        dict(type='torchvision/RandomHorizontalFlip', p=0.1),
        dict(type='PILToNumpy', to_bgr=True),
    ],
    'views': [
        dict(
            type='MultiView',
            num_views=[1, 2],
            transforms=[
                [dict(type='Resize', scale=(30, 30))],
                [
                    dict(type='Resize', scale=(30, 30)),
                    dict(
                        type='RandAugment',
                        policies='timm_increasing',
                        num_policies=2,
                        magnitude_level=9,
                    ),
                ],
            ],
        )
    ],
}
BAD = {  # each hidden where chance would hardly go
    'plain': [dict(type='Contrast', magnitude=0.5, prob=NEVER)],
    'randaugment': [
        dict(
            type='RandAugment',
            num_policies=1,
            policies=[dict(type='Contrast', magnitude_range=(0, 0.9))],
            magnitude_level=5,
        )
    ],
    'choice': [
        dict(
            type='RandomChoice',
            prob=[1 - NEVER, NEVER],
            transforms=[
                [dict(type='Invert')],
                [dict(type='Invert'), dict(type='Contrast', magnitude=1.0)],
            ],
        )
    ],
    'apply': [
        dict(
            type='RandomApply',
            prob=NEVER,
            transforms=[dict(type='Contrast', magnitude=1.0, prob=NEVER)],
        )
    ],
    'view': [
        dict(
            type='MultiView',
            num_views=[1, 1],
            transforms=[[dict(type='Invert')], [dict(type='Contrast', magnitude=0.5, prob=NEVER)]],
        )
    ],
    'in an apply in a choice': [
        dict(
            type='RandomChoice',
            transforms=[
                [
                    dict(
                        type='RandomApply',
                        prob=NEVER,
                        transforms=[dict(type='Contrast', magnitude=1.0, prob=NEVER)],
                    )
                ]
            ],
        )
    ],
}


def make(sources, part, *transforms):
    return {**sources.config(part), 'pipeline': [*transforms, PACK]}


def labeled(sources, *transforms):
    return SemiSupDataset(make(sources, 'labeled', *transforms)).labeled


@pytest.mark.parametrize('name', USUAL)
def test_usual_pipelines_pass(sources, name):
    try_pipelines(labeled(sources, LOAD, *USUAL[name]), 'labelled')


@pytest.mark.parametrize(
    'name',
    ['train_pipeline', 'strong_pipeline', 'view_pipeline', 'two_alike_pipeline', 'test_pipeline'],
)
def test_those_of_the_digits_configs_pass(name):
    pipeline = Config.fromfile(ROOT / 'configs/_base_/digits.py')[name]
    try_pipelines(DigitScenes(num_images=2, pipeline=pipeline), 'labelled')


@pytest.mark.parametrize(
    'file, name',
    [
        ('imagenet_64k_200k', 'train_pipeline'),
        ('imagenet_64k_200k', 'test_pipeline'),
        ('imagenet_views', 'weak_pipeline'),
        ('imagenet_views', 'two_weak_pipeline'),
        ('imagenet_views', 'view_pipeline'),
    ],
)
def test_those_of_the_imagenet_configs_pass(sources, file, name):
    pipeline = Config.fromfile(ROOT / f'configs/_base_/{file}.py')[name]
    try_pipelines(labeled(sources, *pipeline[:-1]), 'labelled')


@pytest.mark.parametrize('name', BAD)
def test_what_fails_is_named_however_seldom_it_is_drawn(sources, name):
    dataset = labeled(sources, GREY, *BAD[name])
    if name != 'randaugment':  # which always does one of its few
        dataset[0]
    with pytest.raises(
        TransformError,
        match=r'^transform Contrast fails on labelled image 0 of 6 \(.*ø 0.jpg\): error: ',
    ):
        try_pipelines(dataset, 'labelled')


def test_a_state_that_only_one_branch_gives_is_followed(sources):
    dataset = labeled(
        sources,
        LOAD,
        dict(type='RandomGrayscale', prob=NEVER),
        dict(type='Contrast', magnitude=0.5, prob=1.0),
    )
    with pytest.raises(TransformError, match='transform Contrast fails'):
        try_pipelines(dataset, 'labelled')


def test_own_functions_and_transforms_are_named(sources):
    dataset = labeled(sources, LOAD)

    def my_function(results):
        raise KeyError('mask')

    leaf = dataset.datasets[0]
    leaf.pipeline = Compose([*leaf.pipeline.transforms[:1], my_function])
    with pytest.raises(
        TransformError, match="transform my_function fails on labelled image 0 .*KeyError: 'mask'"
    ):
        try_pipelines(dataset, 'labelled')
    leaf.pipeline = Compose([*leaf.pipeline.transforms[:1], lambda results: None])
    with pytest.raises(TransformError, match='gives nothing'):
        try_pipelines(dataset, 'labelled')


def test_a_pipeline_without_packing(sources):
    dataset = SemiSupDataset({**sources.config('labeled'), 'pipeline': [LOAD]}).labeled
    with pytest.raises(
        ValueError, match="gives no data_samples and no inputs: let it end with .*'PackInputs'"
    ):
        try_pipelines(dataset, 'labelled')


def test_all_parts_of_a_source_are_tried(sources):
    sound, bad = make(sources, 'labeled', LOAD), make(sources, 'unlabeled', GREY, *BAD['plain'])
    dataset = SemiSupDataset(sound, [sound, bad], allow_overlap=True)
    repeated = TolerantDataset(dict(type='RepeatDataset', times=2, dataset=bad))
    for source in (dataset.unlabeled, repeated):
        with pytest.raises(ValueError, match='fails on unlabelled image 0 of 6'):
            try_pipelines(source, 'unlabelled')
    try_pipelines(TolerantDataset(sound), 'validation')


@pytest.mark.parametrize('skip', [False, True])
def test_unreadable_images(sources, skip):
    for i in range(2):
        (sources.root / 'labeled' / f'ø {i}.jpg').write_bytes(b'')
    dataset = labeled(sources, GREY, *BAD['plain'])
    error, match = (
        (TransformError, 'labelled image 2 of 6')
        if skip
        else (UnreadableImageError, 'cannot read labelled image 0')
    )
    with pytest.raises(error, match=match):
        try_pipelines(dataset, 'labelled', skip_unreadable=skip)


def test_random_numbers_go_on_as_before(sources):
    def numbers():
        return random.random(), np.random.rand(), torch.rand(()).item()

    dataset = labeled(sources, LOAD, *USUAL['randaugment'], *USUAL['choice'])
    torch.manual_seed(1), np.random.seed(1), random.seed(1)
    expected = numbers()
    torch.manual_seed(1), np.random.seed(1), random.seed(1)
    try_pipelines(dataset, 'labelled')
    assert numbers() == expected


@pytest.mark.parametrize('policy', POLICIES)
@pytest.mark.parametrize('workers', [0, 2])
def test_a_transform_that_fails_in_training_stops_whatever_the_policy(sources, policy, workers):
    contrast = dict(type='Contrast', magnitude=0.5, prob=1.0)
    config = make(sources, 'labeled', GREY, contrast)
    dataset = SemiSupDataset(
        make(sources, 'labeled', LOAD),
        {**config, 'data_prefix': 'unlabeled'},
        faults=POLICIES[policy],
        allow_overlap=True,
    )
    match = r'^transform Contrast fails on unlabelled image 0 of 6 \(.*ø 0.jpg\): error: OpenCV.*$'
    with pytest.raises(TransformError, match=match) as caught:
        load_names(dataset, workers)
    assert '\n' not in str(caught.value) and dataset.faults.num_skipped == 0


@pytest.mark.parametrize('policy', POLICIES)
@pytest.mark.parametrize('workers', [0, 2])
def test_validation_images_have_the_same_policy(sources, policy, workers):
    (sources.root / 'labeled' / 'ø 1.jpg').write_bytes(b'hello')
    dataset = TolerantDataset(sources.config('labeled'), faults=POLICIES[policy])
    if policy == 'raise':
        match = r'^cannot read validation image 1 of 6 \(.*ø 1.jpg\): no image of a known format$'
        with pytest.raises(UnreadableImageError, match=match):
            load_names(dataset, workers)
    else:
        assert load_names(dataset, workers) == [f'ø {i}.jpg' for i in (0, 2, 2, 3, 4, 5)]
        assert dataset.faults.num_skipped == 1


def test_a_tolerant_dataset_knows_what_the_dataset_knows(sources):
    dataset = TolerantDataset(sources.config('labeled'))
    assert len(dataset) == 6 and dataset.metainfo['classes'] == ('a', 'b')
    assert dataset.get_gt_labels().tolist() == [0, 1] * 3 and dataset.get_cat_ids(1) == [1]
    assert (
        dataset.get_data_info(1)['img_path'].endswith('ø 1.jpg')
        and dataset[-1]['data_samples'].gt_label == 1
    )
    dataset.full_init()
    with pytest.raises(AttributeError):
        _ = dataset.nothing
    import pickle

    assert len(pickle.loads(pickle.dumps(dataset))) == 6
    repeated = TolerantDataset(
        dict(type='RepeatDataset', times=2, dataset=sources.config('labeled'))
    )
    assert len(repeated) == 12 and repeated[7]['data_samples'].gt_label == 1


def test_a_transparent_picture_in_a_validation_set_is_seen_as_in_training(sources):
    Image.new('RGBA', (20, 20), (1, 2, 3, 0)).save(sources.root / 'labeled' / 'ø 0.jpg', 'PNG')
    assert (TolerantDataset(sources.config('labeled'))[0]['inputs'] == 255).all()
