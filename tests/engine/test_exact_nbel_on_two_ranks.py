"""Exact NBEL over micro-batches and ranks: the gradients of one loss over the retained graphs of
all of them.
"""

import contextlib
import itertools

import pytest
import torch
import torch.multiprocessing as mp
from mmengine import dist
from mmengine.registry import init_default_scope
from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import allreduce_hook
from torch.distributed.nn.functional import all_reduce

from mmsemiloc.engine import SemiSupDistributedDataParallel
from mmsemiloc.engine.optimizers import accum_optim_wrapper
from mmsemiloc.models import prediction_sum
from tests.conftest import Alone, gradients, make_batch
from tests.engine.test_exact_nbel import (
    LABELS,
    PRIORS,
    RESNET,
    SIZES,
    NoReplay,
    build,
    exact,
    relative_error,
    retained_graph,
)


def sync_first(model, last):
    """Negative control: DDP exchanges gradients in all backward passes but the last one, which
    completes them.
    """
    return model.no_sync() if last else contextlib.nullcontext()


class CPUSyncBatchNorm(torch.nn.BatchNorm2d):
    """torch has SyncBatchNorm for GPUs only.

    This one is for the CPU, and for equally many images on each rank.
    """

    def forward(self, x):
        mean = all_reduce(x.mean((0, 2, 3))) / dist.get_world_size()
        var = all_reduce((x - mean[:, None, None]).square().mean((0, 2, 3))) / dist.get_world_size()
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(var, self.momentum)
            self.num_batches_tracked += 1
        x = (x - mean[:, None, None]) / (var[:, None, None] + self.eps).sqrt()
        return x * self.weight[:, None, None] + self.bias[:, None, None]


def synchronized(model):
    """``model`` with CPUSyncBatchNorm in place of its BatchNorm."""
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.__class__ = CPUSyncBatchNorm
    return model


def own_batch():
    """Other images on each rank."""
    rank = dist.get_rank()
    return make_batch(LABELS[::-1] if rank else LABELS, seed=rank)


def reference(model, size):
    """Mean over ranks of the gradients of this rank's retained graphs, as of all in one loss.

    The running statistics of BatchNorm are their means over ranks too.
    """
    grads, buffers, *_ = retained_graph(model, size, own_batch())
    means = {name: buffer.clone() for name, buffer in buffers.items()}
    for name, value in (*grads.items(), *means.items()):
        if name in grads or name.endswith(('running_mean', 'running_var')):
            dist.all_reduce(value, 'mean')
    return grads, means


def compare(size, prior=None, dtype=torch.float64, layers='dropout', patches=(), alpha=1):
    """Relative error of the gradients, and whether all buffers are bit-equal."""

    def model():
        model = build(dtype, prior, **(dict(backbone=RESNET) if layers == 'drop path' else {}))
        for name in ('mel', 'nbel'):
            model.head.terms[name].alpha = alpha
        return synchronized(model) if layers == 'SyncBN' else model

    grads, buffers = reference(model(), size)
    actual = model()
    with pytest.MonkeyPatch.context() as patch:
        for module, name, value in patches:
            patch.setattr(module, name, value)
        exact(SemiSupDistributedDataParallel(actual), size, own_batch())
    named = dict(actual.named_buffers())
    return relative_error(gradients(actual), grads), all(
        torch.equal(named[name], buffer) for name, buffer in buffers.items()
    )


def exchanges(size):
    """How often DDP reduces a bucket of gradients in one optimizer step."""
    model = SemiSupDistributedDataParallel(build())
    buckets = []

    def hook(state, bucket):
        buckets.append(bucket.index())
        return allreduce_hook(None, bucket)

    model.register_comm_hook(None, hook)
    exact(model, size, own_batch())
    return len(buckets)


DTYPES = {torch.float64: 1e-10, torch.float32: 1e-5}
CASES = [
    dict(size=size, prior=prior, dtype=dtype)
    for size, prior, dtype in itertools.product(SIZES, PRIORS, DTYPES)
]
CASES += [dict(size=size, layers=layers) for size in SIZES for layers in ('drop path', 'SyncBN')]
CASES += [dict(size=4, prior=prior, alpha=alpha) for prior in PRIORS[:2] for alpha in (2, 7)]
WRONG = {
    'without all-reduce of the mean prediction': [(prediction_sum, 'dist', Alone)],
    'without replayed random numbers': [(accum_optim_wrapper, 'RandomState', NoReplay)],
    'without exchange of gradients in the last backward pass': [
        (accum_optim_wrapper, 'gradient_sync', sync_first)
    ],
}


def worker(rank, ranks, folder):
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        'gloo', init_method=f'file://{folder}/init', rank=rank, world_size=ranks
    )
    init_default_scope('mmpretrain')
    right = [compare(**case) for case in CASES]
    wrong = {name: compare(4, patches=patches)[0] for name, patches in WRONG.items()}
    torch.save((right, wrong, [exchanges(size) for size in (14, 2)]), f'{folder}/{rank}.pth')
    torch.distributed.destroy_process_group()


@pytest.fixture(scope='module')
def ranks(tmp_path_factory):
    """Results of all cases on each of two ranks (started once: that takes seconds)."""
    folder = tmp_path_factory.mktemp('ranks')
    mp.spawn(worker, (2, str(folder)), nprocs=2)
    return [torch.load(folder / f'{rank}.pth') for rank in range(2)]


@pytest.mark.parametrize(
    'number', range(len(CASES)), ids=[' '.join(map(str, case.values())) for case in CASES]
)
def test_equals_the_retained_graphs_of_both_ranks(ranks, number):
    for right, *_ in ranks:
        error, same_buffers = right[number]
        assert error <= DTYPES[CASES[number].get('dtype', torch.float64)]
        assert same_buffers


@pytest.mark.parametrize('name', WRONG)
def test_negative_controls_differ(ranks, name):
    assert min(wrong[name] for _, wrong, _ in ranks) > 1e-4


def test_gradients_are_exchanged_once_a_step(ranks):
    for *_, (whole, micro) in ranks:
        assert whole == micro >= 1
