import pytest
import torch
import torch.multiprocessing as mp
from mmengine.model import MMDistributedDataParallel
from mmengine.registry import init_default_scope

from mmsemiloc.engine import SemiSupDistributedDataParallel
from mmsemiloc.models import effective_batch, prediction_sum
from tests.conftest import Alone, KeepGradients, gradients, in_double, make_batch, make_model

# Three labelled images in the first half, none in the second.
LABELS = [0, 3, None, 1, None, None, None, None]
WEIGHTS = dict(mel=0.8, nbel=0.5, locality=0.1)


def step(model, batch, size=None):
    inner = getattr(model, 'module', model)
    log = model.train_step(
        batch, KeepGradients(size, optimizer=torch.optim.SGD(model.parameters(), lr=0.1))
    )
    return gradients(inner), {key: value.item() for key, value in log.items()}


def part(batch, rank, ranks):
    half = len(batch['inputs']) // ranks
    return {key: value[rank * half : (rank + 1) * half] for key, value in batch.items()}


def with_unused():
    """A model with a parameter that no loss reads."""
    model = in_double(make_model(**WEIGHTS))
    model.unused = torch.nn.Parameter(torch.zeros(3, dtype=torch.float64))
    return model


def running_mean(wrap, batch):
    """What the momentum estimator remembers after two steps."""
    model = in_double(
        make_model(
            head=dict(loss_nbel=dict(type='mmsemiloc.NegativeBatchEntropyLoss', estimator='ema'))
        )
    )
    wrapped = wrap(model)
    for _ in range(2):
        step(wrapped, batch)
    return model.head.terms['nbel'].running_mean.log_past


CASES = {  # weights, micro-batch size, modules that do not reduce over ranks
    'full': (WEIGHTS, None, []),
    'micro': (WEIGHTS, 3, []),
    'local nbel': (WEIGHTS, None, [prediction_sum]),
    'local counts': (WEIGHTS, None, [effective_batch]),
}


def worker(rank, ranks, folder):
    torch.distributed.init_process_group(
        'gloo', init_method=f'file://{folder}/init', rank=rank, world_size=ranks
    )
    init_default_scope('mmpretrain')
    results = {}
    for name, (weights, size, alone) in CASES.items():
        model = SemiSupDistributedDataParallel(in_double(make_model(**weights)))
        with pytest.MonkeyPatch.context() as patch:
            for module in alone:
                patch.setattr(module, 'dist', Alone)
            results[name] = step(model, part(make_batch(LABELS), rank, ranks), size)
    results['stock wrapper'] = step(
        MMDistributedDataParallel(in_double(make_model(**WEIGHTS)), broadcast_buffers=False),
        part(make_batch(LABELS), rank, ranks),
    )
    for size in (None, 3):
        results['unused parameters', size] = step(
            SemiSupDistributedDataParallel(with_unused(), find_unused_parameters=True),
            part(make_batch(LABELS), rank, ranks),
            size,
        )
    with pytest.raises(RuntimeError, match='SemiSupDistributedDataParallel'):
        step(
            MMDistributedDataParallel(in_double(make_model(**WEIGHTS))),
            part(make_batch(LABELS), rank, ranks),
            3,
        )
    results['ema'] = running_mean(
        SemiSupDistributedDataParallel, part(make_batch(LABELS), rank, ranks)
    )
    torch.save(results, f'{folder}/{rank}.pth')
    torch.distributed.destroy_process_group()


@pytest.fixture(scope='module')
def ranks(tmp_path_factory):
    """Results of all cases on each of two ranks (started once: that takes seconds)."""
    folder = tmp_path_factory.mktemp('ranks')
    mp.spawn(worker, (2, str(folder)), nprocs=2)
    return [torch.load(folder / f'{rank}.pth', weights_only=False) for rank in range(2)]


def single(name):
    return step(in_double(make_model(**CASES[name][0])), make_batch(LABELS))


@pytest.mark.parametrize('name', ['full', 'micro', 'stock wrapper'])
def test_two_ranks_give_the_gradients_of_one_process(ranks, name):
    expected, log = single('full')
    for rank in ranks:
        for key in expected:
            torch.testing.assert_close(rank[name][0][key], expected[key], rtol=1e-9, atol=1e-12)
    for key in [key for key in log if key.startswith('loss_')]:  # DDP averages the ranks' losses
        assert sum(rank[name][1][key] for rank in ranks) / 2 == pytest.approx(log[key], rel=1e-9)


@pytest.mark.parametrize('size', [None, 3])
def test_parameters_that_no_loss_reads_may_be_looked_for(ranks, size):
    """The losses are computed outside of DDP, from the predictions that it returns."""
    expected, _ = single('full')
    for rank in ranks:
        actual = rank['unused parameters', size][0]
        for key in expected:
            torch.testing.assert_close(actual[key], expected[key], rtol=1e-9, atol=1e-12)


def test_every_rank_knows_the_nbel_of_all(ranks):
    assert (
        ranks[0]['full'][1]['loss_nbel']
        == ranks[1]['full'][1]['loss_nbel']
        == pytest.approx(single('full')[1]['loss_nbel'])
    )


@pytest.mark.parametrize('name', ['local nbel', 'local counts'])
def test_without_all_reduce_the_gradients_differ(ranks, name):
    """Negative control: local NBELs, or cross-entropies divided by each rank's own R, are another
    loss.
    """
    expected, _ = single('full')
    assert (ranks[0][name][0]['head.fc.weight'] - expected['head.fc.weight']).abs().max() > 1e-6


def test_every_rank_has_the_running_mean_of_all(ranks):
    expected = running_mean(lambda model: model, make_batch(LABELS))
    for rank in ranks:
        torch.testing.assert_close(rank['ema'], expected, rtol=1e-9, atol=1e-12)
