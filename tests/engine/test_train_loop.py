"""A loop that counts iterations goes through its epochs in MMEngine's order, without pauses."""

import itertools
import time

import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import DefaultSampler, InfiniteSampler
from mmengine.model import BaseModel
from mmengine.runner import IterBasedTrainLoop, Runner
from torch.utils.data import BatchSampler, DataLoader

from mmsemiloc.engine import PromptTrainLoop
from mmsemiloc.engine.build import without_pauses
from mmsemiloc.engine.train_loop import Endless

IMAGES = list(range(10))


class Model(BaseModel):
    """Takes a step, and keeps the images that it saw."""

    def __init__(self):
        super().__init__()
        self.weight, self.seen = torch.nn.Parameter(torch.zeros(1)), []

    def forward(self, *args, **kwargs):
        raise NotImplementedError

    def train_step(self, data, optim_wrapper):
        self.seen.append(data.tolist())
        return dict(loss=torch.zeros(1))


def loader(workers=0, batched=False, sampler=None):
    sampler = sampler or DefaultSampler(IMAGES, shuffle=True, seed=3)
    kwargs = dict(num_workers=workers, persistent_workers=workers > 0)
    if batched:
        return DataLoader(IMAGES, batch_sampler=BatchSampler(sampler, 4, False), **kwargs)
    return DataLoader(IMAGES, sampler=sampler, batch_size=4, **kwargs)


def run(loop, tmp_path, steps=8, resumed=0, **kwargs):
    """What a training sees, and how long it takes."""
    runner = Runner(
        Model(),
        str(tmp_path),
        train_dataloader=loader(**kwargs),
        train_cfg=dict(type=loop, max_iters=steps),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
        default_hooks=dict(logger=None, checkpoint=None),
        experiment_name=f'{loop.__name__}{resumed}{kwargs}{time.monotonic()}',
    )
    runner.train_loop._iter = resumed
    start = time.monotonic()
    model = runner.train()
    return model.seen, time.monotonic() - start


@pytest.mark.parametrize('batched', [False, True])
def test_order_and_time(batched, tmp_path, monkeypatch):
    pauses = []
    monkeypatch.setattr('mmengine.runner.loops.time.sleep', pauses.append)
    ours, _ = run(PromptTrainLoop, tmp_path, batched=batched)
    assert not pauses
    stock, _ = run(IterBasedTrainLoop, tmp_path, batched=batched)
    assert pauses == [2, 2]  # negative control
    assert ours == stock and len(ours) == 8 and sorted(itertools.chain(*ours[:3])) == IMAGES
    assert ours[:3] != ours[3:6]


@pytest.mark.parametrize('resumed', [2, 3, 7])
def test_a_resumed_run_goes_on_in_the_order(resumed, tmp_path):
    whole, _ = run(PromptTrainLoop, tmp_path)
    rest, _ = run(PromptTrainLoop, tmp_path, resumed=resumed)
    assert rest == whole[resumed:]


def test_workers_live_on():
    """The same processes serve all epochs."""
    batches = iter(Endless(loader(workers=1)))
    assert [len(next(batches)) for _ in range(7)] == [4, 4, 2, 4, 4, 2, 4]
    batches.close()


def test_only_the_epoch_of_the_position_is_read():
    read = []

    class Images(list):
        def __getitem__(self, place):
            read.append(place)
            return place

    data = DataLoader(Images(IMAGES), sampler=DefaultSampler(IMAGES, seed=3), batch_size=4)
    endless = Endless(data)
    endless.skip(3 * 1000 + 1)
    batch = next(iter(endless))
    assert len(batch) == 4 and len(read) <= 8


def test_a_sampler_without_epochs_stays_as_it_is(tmp_path):
    ours, _ = run(PromptTrainLoop, tmp_path, sampler=InfiniteSampler(IMAGES, seed=3))
    stock, _ = run(IterBasedTrainLoop, tmp_path, sampler=InfiniteSampler(IMAGES, seed=3))
    assert ours == stock


@pytest.mark.parametrize(
    'loop', [dict(type='IterBasedTrainLoop', max_iters=3), dict(by_epoch=False, max_iters=3)]
)
def test_tools_take_this_loop(loop):
    cfg = Config(dict(train_cfg=loop, train_dataloader=dict(sampler=dict(type='DefaultSampler'))))
    expected = dict(type='mmsemiloc.PromptTrainLoop', max_iters=3)
    assert without_pauses(cfg).train_cfg == expected
    for other in (dict(by_epoch=True, max_epochs=3), dict(type='Own', max_iters=3)):
        assert without_pauses(Config(dict(train_cfg=other))).train_cfg == other
