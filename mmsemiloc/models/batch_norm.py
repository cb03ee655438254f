"""BatchNorm's running statistics: at rest in a repeated forward pass, and equal on all ranks."""

import contextlib
from collections.abc import Iterator

import torch
from mmengine import dist
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


def average_statistics(model: nn.Module) -> None:
    """Replace the running statistics of BatchNorm by their mean over ranks.

    Those of layers in evaluation mode and of SyncBatchNorm are equal already. All ranks have to
    call it after each step: a checkpoint has the statistics of one rank only, and a teacher on
    another rank would go on with others after a resumption.
    """
    if dist.get_world_size() == 1:
        return
    layers = [
        module
        for module in model.modules()
        if isinstance(module, _BatchNorm)
        and not isinstance(module, nn.SyncBatchNorm)
        and module.training
        and module.running_mean is not None
    ]
    if not layers:
        return

    # One exchange for all layers.
    both = [(layer.running_mean, layer.running_var) for layer in layers]
    tensors = [value for pair in both for value in pair if value is not None]
    joined = torch.cat(tensors)
    dist.all_reduce(joined, 'mean')
    for tensor, mean in zip(tensors, joined.split([len(t) for t in tensors]), strict=True):
        tensor.copy_(mean)


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
