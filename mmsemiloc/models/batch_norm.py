"""BatchNorm at rest: a repeated forward pass does not update its running statistics again."""

import contextlib
from collections.abc import Iterator

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


@contextlib.contextmanager
def statistics_at_rest(model: nn.Module) -> Iterator[None]:
    """Keep the running statistics of BatchNorm as they are.

    Layers in training mode still use the statistics of the batch.

    With a momentum of 0 the same operations run as otherwise, so gradient checkpointing may begin
    outside and end inside. They count on a scratch tensor, because SyncBatchNorm refuses to do
    without a count.
    """
    layers = [
        module
        for module in model.modules()
        if isinstance(module, _BatchNorm) and module.track_running_stats
    ]

    before = [(layer.momentum, layer.num_batches_tracked) for layer in layers]
    scratch = layers[0].num_batches_tracked.clone() if layers else None

    for layer in layers:
        layer.momentum, layer.num_batches_tracked = 0.0, scratch
    try:
        yield
    finally:
        for layer, (momentum, tracked) in zip(layers, before, strict=True):
            layer.momentum, layer.num_batches_tracked = momentum, tracked
