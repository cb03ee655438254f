"""What makes a second forward pass of the same images equal to the first: random numbers, and BatchNorm at rest."""
import contextlib
import random
from collections.abc import Iterator

import numpy as np
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


class RandomState:
    """The state of all random number generators (Python, NumPy, torch on the CPU and on ``device``) when it was made."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.python, self.numpy, self.cpu = random.getstate(), np.random.get_state(), torch.get_rng_state()
        self.accelerator = None if device.type == 'cpu' else torch.get_device_module(device).get_rng_state(device)

    def restore(self) -> None:
        """Set the generators back to it."""
        random.setstate(self.python)
        np.random.set_state(self.numpy)
        torch.set_rng_state(self.cpu)
        if self.accelerator is not None:
            torch.get_device_module(self.device).set_rng_state(self.accelerator, self.device)


@contextlib.contextmanager
def statistics_at_rest(model: nn.Module) -> Iterator[None]:
    """Keep the running statistics of BatchNorm as they are, while layers in training mode still use those of the batch.

    With a momentum of 0 the same operations run as otherwise, so gradient checkpointing may begin outside and end inside.
    They count on a scratch tensor, because SyncBatchNorm refuses to do without a count.
    """
    layers = [module for module in model.modules() if isinstance(module, _BatchNorm) and module.track_running_stats]
    before = [(layer.momentum, layer.num_batches_tracked) for layer in layers]
    scratch = layers[0].num_batches_tracked.clone() if layers else None
    for layer in layers:
        layer.momentum, layer.num_batches_tracked = 0.0, scratch
    try:
        yield
    finally:
        for layer, (momentum, tracked) in zip(layers, before, strict=True):
            layer.momentum, layer.num_batches_tracked = momentum, tracked
