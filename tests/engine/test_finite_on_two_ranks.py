"""When one rank sees a number that is not finite, all stop alike, with one message, and nothing is
updated.
"""

import math

import pytest
import torch
import torch.multiprocessing as mp
from mmengine import dist
from mmengine.registry import init_default_scope

from mmsemiloc.engine import AccumOptimWrapper, NotFiniteError, SemiSupDistributedDataParallel
from tests.conftest import make_model
from tests.engine.checks.test_finite import LABELS, WEIGHTS, batch_with_files, spoilt


def bad_pixel(model, batch):
    """An image of rank 1."""
    if dist.get_rank() == 1:
        spoilt(batch, 3)


def bad_term(model, batch):
    """A term of rank 1 whose gradient is sound: no gradient tells rank 0 of it."""
    term = model.head.terms['mel']
    compute = term.compute
    if dist.get_rank() == 1:
        term.compute = lambda predictions: {
            key: value + math.inf for key, value in compute(predictions).items()
        }


def sound(model, batch):
    """Negative control."""


CASES = {'image': bad_pixel, 'term': bad_term, 'none': sound}


def step(spoil):
    """What one step says, and whether it changed the weights."""
    model = make_model(**WEIGHTS)
    batch = batch_with_files(LABELS)
    spoil(model, batch)
    before = model.head.fc.weight.detach().clone()
    wrapper = AccumOptimWrapper(
        optimizer=torch.optim.SGD(model.parameters(), lr=0.1), micro_batch_size=2
    )
    try:
        SemiSupDistributedDataParallel(model).train_step(batch, wrapper)
        message = None
    except NotFiniteError as error:
        message = str(error)
    return message, torch.equal(model.head.fc.weight, before)


def worker(rank, ranks, folder):
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        'gloo', init_method=f'file://{folder}/init', rank=rank, world_size=ranks
    )
    init_default_scope('mmpretrain')
    torch.save({name: step(spoil) for name, spoil in CASES.items()}, f'{folder}/{rank}.pth')
    torch.distributed.destroy_process_group()


@pytest.fixture(scope='module')
def ranks(tmp_path_factory):
    """Results of all cases on each of two ranks."""
    folder = tmp_path_factory.mktemp('ranks')
    mp.spawn(worker, (2, str(folder)), nprocs=2)
    return [torch.load(folder / f'{rank}.pth') for rank in range(2)]


@pytest.mark.parametrize(
    'name, text',
    [
        ('image', 'rank 1: folder/3.png: its pixels are not finite'),
        ('term', 'rank 1: loss_mel is inf'),
    ],
)
def test_both_ranks_stop_alike(ranks, name, text):
    (first, first_kept), (second, second_kept) = (results[name] for results in ranks)
    assert first == second and first.startswith(text)
    assert first_kept and second_kept


def test_a_sound_step_is_made(ranks):
    assert [results['none'] for results in ranks] == [(None, False)] * 2
