"""A long run takes no more memory than a short one."""

import os

import pytest
from mmengine.hooks import Hook

from mmsemiloc.engine.build import build_runner
from tests.configs.test_configs import tiny_digits

STEPS, SETTLED = 2000, 500
PAGE = os.sysconf('SC_PAGE_SIZE') / 2**20


class Memory(Hook):
    """Reads how much memory the process has, in MiB."""

    def __init__(self):
        self.used = {}

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if (runner.iter + 1) % SETTLED == 0:
            with open('/proc/self/statm') as file:
                self.used[runner.iter + 1] = int(file.read().split()[1]) * PAGE


@pytest.mark.slow
def test_memory_is_flat(tmp_path):
    cfg = tiny_digits('digits_full', tmp_path, steps=STEPS)
    cfg.train_dataloader.batch_size = cfg.train_dataloader.sampler.batch_size = 8
    cfg.train_dataloader.num_workers, cfg.train_dataloader.persistent_workers = 0, False
    runner, memory = build_runner(cfg), Memory()
    runner.register_hook(memory)
    runner.train()
    assert memory.used[STEPS] - memory.used[SETTLED] < 20, memory.used
    assert max(len(h.data[0]) for h in runner.message_hub.log_scalars.values()) == 1000
