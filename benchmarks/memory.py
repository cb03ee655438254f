"""Memory of tensors, and of processes of their own."""

import multiprocessing
import weakref
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only
from torch.utils.weak import WeakIdKeyDictionary

T = TypeVar('T')


class TensorMemory(TorchDispatchMode):
    """Counts the bytes of living tensors that operations inside of ``with`` have made.

    Exact and the same in every run, unlike what an allocator takes from the system; what kernels
    use inside is not counted.

    Args:
        counted: Tensors that are there already and count from the start.
        ignored: Tensors that are there already and do not count.

    Attributes:
        now: Bytes alive.
        peak: The most so far.
    """

    def __init__(
        self, counted: Iterable[torch.Tensor] = (), ignored: Iterable[torch.Tensor] = ()
    ) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._known = WeakIdKeyDictionary({tensor.untyped_storage(): 0 for tensor in ignored})
        for tensor in counted:
            self._count(tensor)

    def __torch_dispatch__(
        self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        """Run the operation and look at its results."""
        result = func(*args, **(kwargs or {}))
        tree_map_only(torch.Tensor, self._count, result)
        return result

    def _count(self, tensor: torch.Tensor) -> None:
        """Add a tensor's storage if it is new; take it off when it is freed."""
        storage = tensor.untyped_storage()
        if storage not in self._known:
            size = storage.nbytes()
            self._known[storage] = size
            self.now += size
            self.peak = max(self.peak, self.now)
            weakref.finalize(storage, self._free, size)

    def _free(self, size: int) -> None:
        """Take off a storage that is gone."""
        self.now -= size


def in_new_process(function: Callable[..., T], *args: Any) -> T:
    """What a function returns that runs in a new process, whose peak of memory is its own.

    Not in a fork of this one: on some systems that inherits the peak, which may hide what the
    function takes. Modules are imported once, in a server that all of these processes are forks of.
    """
    context = multiprocessing.get_context('forkserver')
    context.set_forkserver_preload(['__main__', function.__module__])
    with context.Pool(1) as pool:
        return pool.apply(function, args)
