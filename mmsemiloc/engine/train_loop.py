"""The loop that counts iterations, without MMEngine's pause of 2 seconds after each epoch."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

from mmengine.runner import IterBasedTrainLoop
from torch.utils.data import DataLoader

from mmsemiloc.registry import LOOPS


def set_epoch(loader: DataLoader, epoch: int) -> None:
    """Tell the sampler of a dataloader the number of the epoch, as MMEngine does."""
    for sampler in (loader.sampler, getattr(loader.batch_sampler, 'sampler', None)):
        if hasattr(sampler, 'set_epoch'):
            sampler.set_epoch(epoch)
            return


class Endless:
    """A dataloader that goes on with the next epoch after each one.

    MMEngine's loop takes it for a dataloader whose sampler can skip images.

    Args:
        loader: The dataloader; its own sampler cannot skip.
    """

    def __init__(self, loader: DataLoader) -> None:
        self.loader, self.sampler, self.batch_size = loader, self, 1
        self.dataset, self.num_workers = loader.dataset, loader.num_workers
        self.epoch = self.first = 0

    def skip(self, batches: int) -> None:
        """Begin after so many batches; only those of the epoch that it is in are read."""
        self.epoch, self.first = divmod(batches, len(self.loader))

    def __iter__(self) -> Iterator[Any]:
        if self.epoch:
            set_epoch(self.loader, self.epoch)
        yield from islice(self.loader, self.first, None)
        while True:
            self.epoch += 1
            set_epoch(self.loader, self.epoch)
            yield from self.loader


@LOOPS.register_module()
class PromptTrainLoop(IterBasedTrainLoop):
    """``IterBasedTrainLoop`` that goes from epoch to epoch without a pause, in the same order.

    Args:
        *args: For MMEngine's loop.
        **kwargs: The same.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not hasattr(self.dataloader.sampler, 'skip'):  # of an InfiniteSampler, without epochs
            kind: Any = type(self.dataloader_iterator)
            self.dataloader_iterator: Any = kind(Endless(self.dataloader))
