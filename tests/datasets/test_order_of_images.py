"""The order in which training sees images, and their pixels: the same for any number of workers and
ranks, and after a resumption.
"""

import pickle
import time

import pytest
import torch
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope
from torch.utils.data import DataLoader

from mmsemiloc.datasets import SemiSupDataset, SemiSupSampler, draws, semi_sup_sampler
from mmsemiloc.datasets.draws import Draw
from tests.datasets.conftest import PIPELINE, Sources

GLOBAL_BATCH, STEPS = 16, 3


@pytest.fixture(scope='module')
def dataset(tmp_path_factory):
    sources = Sources(tmp_path_factory.mktemp('order'))
    return SemiSupDataset(sources.config('labeled'), sources.config('unlabeled'))


@pytest.fixture(scope='module')
def augmented(tmp_path_factory):
    """Images of which each transform makes something else, unlabelled ones in two views."""
    sources = Sources(tmp_path_factory.mktemp('augmented'))
    init_default_scope('mmpretrain')
    load, pack = PIPELINE
    crop = dict(type='RandomCrop', crop_size=8)
    jitter = [crop, dict(type='ColorJitter', brightness=0.5, contrast=0.5)]  # NumPy
    flip = [crop, dict(type='RandomErasing', erase_prob=0.5, mode='rand')]
    views = dict(type='MultiView', num_views=[1, 1], transforms=[jitter, flip])
    return SemiSupDataset(
        {**sources.config('labeled'), 'pipeline': [load, *jitter, pack]},
        {**sources.config('unlabeled'), 'pipeline': [load, views, pack]},
    )


def of_path(sample, image):
    """The path of an image."""
    return sample.img_path


def of_pixels(sample, image):
    """All pixels of an image, in all its views."""
    return image.numpy().tobytes() + torch.as_tensor(sample.get('views', [])).numpy().tobytes()


def global_order(dataset, ranks, workers, monkeypatch, seed=7, skip=0, what=of_path, **kwargs):
    """What all ranks load, step by step, as their dataloaders give it."""
    size = GLOBAL_BATCH // ranks
    of_ranks = []
    for rank in range(ranks):
        monkeypatch.setattr(semi_sup_sampler, 'get_dist_info', lambda rank=rank: (rank, ranks))
        sampler = SemiSupSampler(dataset, size, 0.25, epoch_length=STEPS, seed=seed, **kwargs)
        sampler.skip(skip * size)
        loader = DataLoader(
            dataset, size, sampler=sampler, num_workers=workers, collate_fn=pseudo_collate
        )
        of_ranks.append(
            [list(map(what, batch['data_samples'], batch['inputs'])) for batch in loader]
        )
    return [path for step in zip(*of_ranks, strict=True) for batch in step for path in batch]


@pytest.mark.parametrize('class_balanced', [False, True], ids=['as they are', 'class by class'])
@pytest.mark.parametrize('workers', [0, 2, 4])
@pytest.mark.parametrize('ranks', [1, 2, 4])
def test_the_order_depends_on_the_seed_alone(dataset, ranks, workers, class_balanced, monkeypatch):
    expected = global_order(dataset, 1, 0, monkeypatch, class_balanced=class_balanced)
    assert len(expected) == GLOBAL_BATCH * STEPS
    assert (
        global_order(dataset, ranks, workers, monkeypatch, class_balanced=class_balanced)
        == expected
    )
    assert (
        global_order(dataset, 1, 0, monkeypatch, seed=8, class_balanced=class_balanced) != expected
    )  # negative control


@pytest.mark.parametrize('workers', [0, 2, 4])
@pytest.mark.parametrize('ranks', [1, 2, 4])
def test_it_goes_on_after_a_resume_in_mid_epoch(dataset, ranks, workers, monkeypatch):
    whole = global_order(dataset, 1, 0, monkeypatch)
    assert global_order(dataset, ranks, workers, monkeypatch, skip=1) == whole[GLOBAL_BATCH:]


@pytest.mark.parametrize('ranks, workers, skip', [(1, 2, 0), (2, 0, 0), (4, 2, 1)])
def test_pixels_depend_on_the_seed_and_the_place_alone(
    augmented, ranks, workers, skip, monkeypatch
):
    def pixels(ranks, workers, skip, **kwargs):
        return global_order(
            augmented, ranks, workers, monkeypatch, skip=skip, what=of_pixels, **kwargs
        )

    whole = pixels(1, 0, 0)
    assert len({*whole}) == len(whole)  # the same image comes differently each time
    assert pixels(ranks, workers, skip) == whole[GLOBAL_BATCH * skip :]
    assert not {*pixels(1, 0, 0, seed=8)} & {*whole}

    # Negative control: with the generators as they are.
    monkeypatch.setattr(draws, 'seed_everything', lambda *key: None)
    assert pixels(ranks, workers, skip) != whole[GLOBAL_BATCH * skip :]


def test_the_way_to_the_first_image_does_not_grow_with_the_position(dataset):
    seconds = []
    for step in (0, 10**8):
        sampler = SemiSupSampler(dataset, 4, 0.25, epoch_length=10**9, seed=7)
        sampler.skip(step * 4)
        start = time.perf_counter()
        first = next(iter(sampler))
        seconds.append(time.perf_counter() - start)
        assert first.place == 4 * step
    assert seconds[1] < seconds[0] + 0.05


def test_a_draw_reaches_a_worker_as_it_is():
    draw = pickle.loads(pickle.dumps(Draw(5, 7, 9)))
    assert draw == 5 and [0] * 5 + [1] == [0] * draw + [1] and (draw.seed, draw.place) == (7, 9)
