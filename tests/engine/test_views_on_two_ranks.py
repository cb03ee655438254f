"""Images in several views: two ranks train what one process trains on the batch of both."""

import pytest
import torch
import torch.multiprocessing as mp
from mmengine.registry import init_default_scope

from mmsemiloc.engine import SemiSupDistributedDataParallel
from mmsemiloc.models import effective_batch, prediction_sum
from tests.conftest import (
    Alone,
    KeepGradients,
    gradients,
    in_double,
    make_batch,
    make_model,
    with_views,
)

pytestmark = pytest.mark.slow  # starts two processes

LABELS = [
    0,
    None,
    3,
    None,
    None,
    None,
    1,
    None,
]  # two labelled images on the first rank, one on the second
NUMBERS = dict(
    two=[1, 2, 1, 2, 2, 2, 1, 2], mixed=[2, 1, 1, 2, 3, 1, 2, 3], one_rank=[1, 2, 1, 2, 1, 1, 1, 1]
)  # no pair on the second rank
ALIGNED = dict(
    fixmatch=dict(
        type='mmsemiloc.FixMatchLoss', threshold=0.275, alignment=dict(prior=[1, 2, 3, 4, 5])
    ),
    soft=dict(type='mmsemiloc.SoftConsistencyLoss', temperature=0.5, alignment={}),
)
TERMS = dict(
    pseudo=dict(type='mmsemiloc.PseudoLabelLoss', threshold=0.275),
    transform=dict(type='mmsemiloc.TransformConsistencyLoss'),
    mse=dict(type='mmsemiloc.SoftConsistencyLoss', distance='mse'),
    **ALIGNED,
)
SIZES = dict(two=[None, 2], mixed=[None, 2], one_rank=[None, 2])


def model(numbers, size):
    """The paper's terms, on strong views where every micro-batch has some.

    Aligned ones where the batch is not split.

    Alignment reads a running mean, which micro-batches move one by one.
    """
    views = 'strong' if numbers == 'two' else 'all'
    terms = {name: cfg for name, cfg in TERMS.items() if size is None or name not in ALIGNED}
    return in_double(
        make_model(
            head=dict(
                loss_mel=dict(type='mmsemiloc.MeanEntropyLoss', loss_weight=0.8, views=views),
                loss_nbel=dict(
                    type='mmsemiloc.NegativeBatchEntropyLoss', loss_weight=0.5, views=views
                ),
                loss_locality=dict(type='mmsemiloc.LocalityLoss', loss_weight=0.1, views=views),
                terms=terms,
            )
        )
    )


def batch(numbers, rank=None):
    """The batch of both ranks, or the half of one."""
    whole = with_views(make_batch(LABELS), NUMBERS[numbers])
    return (
        whole
        if rank is None
        else {key: value[4 * rank : 4 * rank + 4] for key, value in whole.items()}
    )


def step(wrapped, data, size=None):
    """Gradients and logs of a step, and what the alignments remember after it."""
    inner = getattr(wrapped, 'module', wrapped)
    log = wrapped.train_step(
        data, KeepGradients(size, optimizer=torch.optim.SGD(wrapped.parameters(), lr=0.1))
    )
    past = {
        name: term.alignment.running_mean.log_past
        for name, term in inner.head.terms.items()
        if getattr(term, 'alignment', None) is not None
    }
    return gradients(inner), {key: value.item() for key, value in log.items()}, past


CASES = [(numbers, size) for numbers, sizes in SIZES.items() for size in sizes]
WRONG = dict(counts=effective_batch, means=prediction_sum)  # modules that do not reduce over ranks


def worker(rank, ranks, folder):
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        'gloo', init_method=f'file://{folder}/init', rank=rank, world_size=ranks
    )
    init_default_scope('mmpretrain')
    results = {}
    for numbers, size in CASES:
        results[numbers, size] = step(
            SemiSupDistributedDataParallel(model(numbers, size)), batch(numbers, rank), size
        )
    for name, module in WRONG.items():
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, 'dist', Alone)
            results[name] = step(
                SemiSupDistributedDataParallel(model('mixed', None)), batch('mixed', rank)
            )
    torch.save(results, f'{folder}/{rank}.pth')
    torch.distributed.destroy_process_group()


@pytest.fixture(scope='module')
def ranks(tmp_path_factory):
    """Results of all cases on each of two ranks (started once: that takes seconds)."""
    folder = tmp_path_factory.mktemp('ranks')
    mp.spawn(worker, (2, str(folder)), nprocs=2)
    return [torch.load(folder / f'{rank}.pth', weights_only=False) for rank in range(2)]


@pytest.mark.parametrize('numbers, size', CASES)
def test_two_ranks_equal_one_process(ranks, numbers, size):
    expected, log, past = step(model(numbers, size), batch(numbers))
    for rank in ranks:
        actual = rank[numbers, size]
        for key in expected:
            torch.testing.assert_close(actual[0][key], expected[key], rtol=1e-9, atol=1e-12)
        assert actual[2].keys() == past.keys()
        for name in past:
            torch.testing.assert_close(actual[2][name], past[name], rtol=1e-9, atol=1e-12)
    for key in log:  # each rank logs its part, whose mean is that of all
        if key != 'loss':
            assert sum(rank[numbers, size][1][key] for rank in ranks) / 2 == pytest.approx(
                log[key], rel=1e-6
            ), key


@pytest.mark.parametrize('name', WRONG)
def test_without_all_reduce_the_gradients_differ(ranks, name):
    expected, *_ = step(model('mixed', None), batch('mixed'))
    assert (ranks[0][name][0]['head.fc.weight'] - expected['head.fc.weight']).abs().max() > 1e-6
