"""Memory of processes."""
import multiprocessing
import resource
import sys
from collections.abc import Callable
from typing import TypeVar

T = TypeVar('T')


def peak_memory_mib() -> float:
    """Largest resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == 'darwin' else 2**10)


def in_fork(function: Callable[..., T], *args) -> T:
    """What a function returns that runs in a copy of this process, whose peak of memory begins at the present size.

    For measurements, before anything else starts threads.
    """
    with multiprocessing.get_context('fork').Pool(1) as pool:
        return pool.apply(function, args)
