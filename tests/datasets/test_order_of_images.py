"""The order in which training sees images: the same for any number of workers and ranks."""

import pytest
from mmengine.dataset import pseudo_collate
from torch.utils.data import DataLoader

from mmsemiloc.datasets import SemiSupDataset, SemiSupSampler, semi_sup_sampler
from tests.datasets.conftest import Sources

GLOBAL_BATCH, STEPS = 16, 3


@pytest.fixture(scope='module')
def dataset(tmp_path_factory):
    sources = Sources(tmp_path_factory.mktemp('order'))
    return SemiSupDataset(sources.config('labeled'), sources.config('unlabeled'))


def global_order(dataset, ranks, workers, monkeypatch, seed=7, skip=0, **kwargs):
    """Paths of the images that all ranks load, step by step, as their dataloaders give them."""
    size = GLOBAL_BATCH // ranks
    of_ranks = []
    for rank in range(ranks):
        monkeypatch.setattr(semi_sup_sampler, 'get_dist_info', lambda rank=rank: (rank, ranks))
        sampler = SemiSupSampler(dataset, size, 0.25, epoch_length=STEPS, seed=seed, **kwargs)
        sampler.skip(skip * size)
        loader = DataLoader(
            dataset, size, sampler=sampler, num_workers=workers, collate_fn=pseudo_collate
        )
        of_ranks.append([[sample.img_path for sample in batch['data_samples']] for batch in loader])
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
