"""Checkpoints are loaded with weights only: code that a file brings along is refused, not run.

A pickle may call any function while it is loaded. PyTorch can refuse that, but MMEngine asks it to
only at first, and then loads the file all the same. What our own checkpoints hold beside tensors
(histories of logged numbers, in NumPy's arrays) is allowed by name.
"""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, BinaryIO

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from mmengine.runner import checkpoint as stock
from mmengine.runner.checkpoint import CheckpointLoader

TRUST = 'MMSEMILOC_TRUST_CHECKPOINTS'  # variable for old files of one's own
YES = ('1', 'y', 'yes', 'true')
FORCE, FORCE_NOT = 'TORCH_FORCE_WEIGHTS_ONLY_LOAD', 'TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD'
STATISTICS = ('min', 'max', 'current', 'mean')
# What MMEngine's loaders take beside local files.
REMOTE: dict[tuple[str, ...], Callable] = {
    ('http://', 'https://'): stock.load_from_http,
    ('pavi://',): stock.load_from_pavi,
    (r'(\S+\:)?s3://', r'(\S+\:)?petrel://'): stock.load_from_ceph,
    ('modelzoo://', 'torchvision://'): stock.load_from_torchvision,
    ('open-mmlab://', 'openmmlab://'): stock.load_from_openmmlab,
    ('mmcls://',): stock.load_from_mmcls,
}


class CheckpointError(ValueError):
    """A file that PyTorch does not load with weights only, in one line with its name."""


def named(function: Callable, module: str, name: str) -> Callable:
    """A function that pickles know by a name; PyTorch's allow-list takes the names of functions."""

    def call(*args: Any) -> Any:
        return function(*args)

    # Older versions of PyTorch read the one name, newer ones the other.
    call.__module__, call.__name__, call.__qualname__ = module, name, name
    return call


def statistic(owner: type, name: str) -> Callable:
    """A method of ``HistoryBuffer``, which its pickles get by ``getattr``; nothing else.

    Raises:
        UnpicklingError: If it is another attribute.
    """
    if owner is not HistoryBuffer or name not in STATISTICS:
        raise UnpicklingError(f'GLOBAL getattr({owner}, {name!r})')
    return getattr(HistoryBuffer, name)


def allowed() -> list:
    """What files may hold beside what PyTorch allows: histories of logged numbers."""
    # NumPy's functions have another module in each of its versions.
    arrays: Any = np.array(0.0).__reduce__()[0]
    scalars: Any = np.float64(0).__reduce__()[0]
    kinds = {type(np.dtype(kind)) for kind in '?bBhHiIlLqQefdU'}
    return [
        HistoryBuffer,
        named(statistic, 'builtins', 'getattr'),
        named(lambda: b'', 'builtins', 'bytes'),  # of an empty array
        np.ndarray,
        np.dtype,
        *kinds,
        *(
            named(function, module, name)
            for module in ('numpy.core.multiarray', 'numpy._core.multiarray')
            for function, name in ((arrays, '_reconstruct'), (scalars, 'scalar'))
        ),
    ]


torch.serialization.add_safe_globals(allowed())


def trusted() -> bool:
    """Whether the user trusts all checkpoints, by the variable ``MMSEMILOC_TRUST_CHECKPOINTS``."""
    return os.environ.get(TRUST, '').lower() in YES


def refusal(name: str, error: Exception) -> CheckpointError:
    """The error of a file that PyTorch does not load with weights only."""
    text = str(error)
    found = re.search(r'GLOBAL (getattr\(.*?\)|\S+)|unrecognized function (.+)', text)
    if not found:
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        cause = next((line for line in lines if not line.startswith('Weights only')), '')
        cause = cause.partition('WeightsUnpickler error: ')[2] or cause
        return CheckpointError(
            f'cannot load checkpoint {name}: no file of weights, or a damaged one: {cause}'
        )

    return CheckpointError(
        f'cannot load checkpoint {name}: it holds more than weights ({found[1] or found[2]}), and '
        'such a file can run any code: save the state dict alone; if the file is your own, '
        f'{TRUST}=1 loads it all the same'
    )


@contextmanager
def weights_only(name: str) -> Iterator[None]:
    """Let all of ``torch.load`` refuse code, whatever its callers ask for.

    Args:
        name: The file, for messages.

    Raises:
        CheckpointError: If the block meets such a file.
    """
    if trusted():
        yield
        return

    before = {key: os.environ.pop(key, None) for key in (FORCE, FORCE_NOT)}
    os.environ[FORCE] = '1'
    try:
        yield
    except UnpicklingError as error:
        raise refusal(name, error) from error
    finally:
        del os.environ[FORCE]
        os.environ.update({key: value for key, value in before.items() if value is not None})


def load_file(
    source: str | Path | BinaryIO, name: str = '', map_location: Any = 'cpu', mmap: bool = False
) -> Any:
    """The content of a checkpoint that is a file, with weights only; the way of all our loading.

    Args:
        source: The file, or its content.
        name: What it is called in messages; by default its path.
        map_location: As for ``torch.load``.
        mmap: The same.

    Raises:
        CheckpointError: If it holds code, and the user has not said that it is trusted.
    """
    with weights_only(name or str(source)):
        return torch.load(source, map_location=map_location, mmap=mmap, weights_only=not trusted())


def load_from_local(filename: str, map_location: Any = None) -> Any:
    """As MMEngine's loader of that name, with weights only.

    Raises:
        FileNotFoundError: If there is no such file.
        CheckpointError: If it holds code.
    """
    path = os.path.expanduser(filename)
    if not os.path.isfile(path):
        raise FileNotFoundError(f'{filename} can not be found.')
    return load_file(path, filename, map_location)


def guarded(loader: Callable) -> Callable:
    """A loader of MMEngine's that loads weights only."""

    @wraps(loader)
    def load(filename: str, map_location: Any = None) -> Any:
        with weights_only(filename):
            return loader(filename, map_location)

    return load


CheckpointLoader.register_scheme('', load_from_local, force=True)
for prefixes, loader in REMOTE.items():
    CheckpointLoader.register_scheme(prefixes, guarded(loader), force=True)
