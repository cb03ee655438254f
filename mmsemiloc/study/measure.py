"""Memory of processes."""
import ctypes
import multiprocessing
import resource
import sys
from collections.abc import Callable
from typing import TypeVar

T = TypeVar('T')


def peak_memory_mib() -> float:
    """Largest resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == 'darwin' else 2**10)


def return_freed_memory() -> None:
    """Let glibc give back every freed block of 64 KiB or more, so that the peak counts tensors and no gaps between them."""
    mallopt = getattr(ctypes.CDLL(None), 'mallopt', None) if sys.platform == 'linux' else None
    if mallopt is not None:
        mallopt(-3, 2**16)  # M_MMAP_THRESHOLD


def in_fork(function: Callable[..., T], *args) -> T:
    """What a function returns that runs in a copy of this process, whose peak of memory begins at the present size.

    For measurements, before anything else starts threads.
    """
    with multiprocessing.get_context('fork').Pool(1) as pool:
        return pool.apply(function, args)
