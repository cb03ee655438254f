"""mmpretrain's MultiView in the pipelines of labelled and unlabelled images, up to the batch that
the model sees.
"""

import functools

import numpy as np
import pytest
import torch
from mmengine.dataset import default_collate, pseudo_collate, worker_init_fn
from torch.utils.data import DataLoader

from mmsemiloc.datasets import DigitScenes, SemiSupDataset
from mmsemiloc.models import SemiSupDataPreprocessor
from tests.conftest import KeepGradients, gradients, make_model

CROP = [dict(type='RandomCrop', crop_size=32, padding=4), dict(type='RandomFlip', prob=0.5)]
SMALL = [dict(type='RandomCrop', crop_size=16)]
PACK = [dict(type='PackInputs')]
LABELED, UNLABELED = 3, 5
COLLATE = dict(pseudo=pseudo_collate, default=default_collate)


def multi_view(*numbers, transforms=CROP):
    """The pipeline with so many views of each kind; without numbers the plain one."""
    if not numbers:
        return [*transforms, *PACK]
    return [
        dict(type='MultiView', num_views=list(numbers), transforms=[transforms] * len(numbers)),
        *PACK,
    ]


def build(labeled=(), unlabeled=()):
    return SemiSupDataset(
        DigitScenes(num_images=LABELED, pipeline=multi_view(*labeled), serialize_data=False),
        DigitScenes(
            first=LABELED,
            num_images=UNLABELED,
            pipeline=multi_view(*unlabeled),
            serialize_data=False,
        ),
    )


def load(dataset, workers=0, collate=pseudo_collate):
    """The first batch, of all images, with the same random numbers every time."""
    np.random.seed(0)
    torch.manual_seed(0)
    init = functools.partial(worker_init_fn, num_workers=workers, rank=0, seed=0)
    loader = DataLoader(
        dataset,
        len(dataset),
        num_workers=workers,
        collate_fn=collate,
        worker_init_fn=init,
        timeout=60 if workers else 0,
    )
    return next(iter(loader))


@pytest.mark.parametrize('workers', [0, 2])
@pytest.mark.parametrize('collate', COLLATE)
@pytest.mark.parametrize(
    'labeled, unlabeled', [((), (1, 1)), ((), (2,)), ((2,), (1, 2)), ((1, 2), ())], ids=str
)
def test_views_reach_the_model_through_every_collate_function(labeled, unlabeled, collate, workers):
    batch = load(build(labeled, unlabeled), workers, COLLATE[collate])
    assert len(batch['inputs']) == len(batch['data_samples']) == LABELED + UNLABELED
    numbers = [max(1, sum(labeled))] * LABELED + [max(1, sum(unlabeled))] * UNLABELED
    assert [1 + len(sample.get('views', ())) for sample in batch['data_samples']] == numbers
    out = SemiSupDataPreprocessor(mean=[0] * 3, std=[1] * 3)(batch, training=True)
    table = [
        (view, image)
        for view in range(max(numbers))
        for image, number in enumerate(numbers)
        if view < number
    ]
    assert out['inputs'].shape == (len(table), 3, 32, 32)
    assert [
        (sample.get('view', 0), sample.get('image', i))
        for i, sample in enumerate(out['data_samples'])
    ] == table
    assert ['gt_label' in sample for sample in out['data_samples']] == [
        image < LABELED for _, image in table
    ]


def test_views_differ_and_show_one_image():
    plain = SemiSupDataset(DigitScenes(num_images=2, pipeline=PACK))
    same = SemiSupDataset(
        DigitScenes(
            num_images=2, pipeline=multi_view(2, transforms=[dict(type='RandomFlip', prob=0.0)])
        )
    )
    assert torch.equal(same[1]['inputs'], plain[1]['inputs'])
    assert torch.equal(same[1]['data_samples'].views[0], plain[1]['inputs'])
    cropped = (
        load(build((), (1, 1)))['data_samples'][LABELED:],
        load(build((), (1, 1)))['inputs'][LABELED:],
    )
    assert all(
        not torch.equal(sample.views[0], first) for sample, first in zip(*cropped, strict=True)
    )


@pytest.mark.parametrize('collate', COLLATE)
def test_one_view_is_the_bit_identical_batch_of_the_plain_pipeline(collate):
    plain, single = (
        load(build(), collate=COLLATE[collate]),
        load(build((1,), (1,)), collate=COLLATE[collate]),
    )
    assert all(torch.equal(a, b) for a, b in zip(plain['inputs'], single['inputs'], strict=True))
    assert not any('views' in sample for sample in single['data_samples'])
    other = load(
        build((), (2,)), collate=COLLATE[collate]
    )  # negative control: a second view takes random numbers
    assert not all(torch.equal(a, b) for a, b in zip(plain['inputs'], other['inputs'], strict=True))


def test_one_view_trains_bit_identically():
    results = []
    for dataset in (build(), build((1,), (1,))):
        batch = load(dataset)
        for sample in batch['data_samples']:
            if 'gt_label' in sample:
                sample.set_gt_label(sample.gt_label % 5)
        model = make_model(mel=0.8, nbel=0.5, locality=0.1, drop_rate=0.3)
        torch.manual_seed(1)
        log = model.train_step(
            batch, KeepGradients(4, optimizer=torch.optim.SGD(model.parameters(), lr=0.1))
        )
        results.append({**gradients(model), **dict(model.named_buffers()), **log})
    assert all(torch.equal(value, results[1][name]) for name, value in results[0].items())


@pytest.mark.parametrize(
    'labeled, index, name',
    [(True, 1, 'labelled image 1'), (False, LABELED + 2, 'unlabelled image 2')],
)
def test_views_of_unequal_size_name_the_image(labeled, index, name):
    unequal = [dict(type='MultiView', num_views=[1, 1], transforms=[CROP, SMALL]), *PACK]
    broken = DigitScenes(first=0 if labeled else LABELED, num_images=3, pipeline=unequal)
    dataset = (
        SemiSupDataset(broken, build().unlabeled)
        if labeled
        else SemiSupDataset(build().labeled, broken)
    )
    with pytest.raises(
        ValueError, match=rf'views of {name} .*one size, got \[\(3, 32, 32\), \(3, 16, 16\)\]'
    ):
        dataset[index]


def test_labels_of_unlabelled_images_are_removed_from_all_views():
    batch = load(build((), (1, 1)))
    assert ['gt_label' in sample for sample in batch['data_samples']] == [True] * LABELED + [
        False
    ] * UNLABELED
    assert 'gt_label' in build((), (1, 1)).unlabeled[0]['data_samples']  # negative control
