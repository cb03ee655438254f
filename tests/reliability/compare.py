"""All that two runs have left, compared without any tolerance."""

import json
from pathlib import Path

import numpy as np
import torch

# What differs between any two runs: times, and names of files and folders.
OTHER = ('time', 'eta', 'memory', '/cfg', 'experiment_name', 'last_ckpt', 'best_ckpt')


def flat(value, name=''):
    """All leaves of a checkpoint, by their paths."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield from flat(part, f'{name}/{key}')
    elif isinstance(value, list | tuple):
        for number, part in enumerate(value):
            yield from flat(part, f'{name}/{number}')
    elif type(value).__name__ == 'HistoryBuffer':
        for number, part in enumerate(value.data):
            yield f'{name}/history/{number}', np.asarray(part)
    else:
        yield name, value


def content(path):
    """All leaves of a checkpoint, with the metadata of its state dict."""
    checkpoint = torch.load(path, map_location='cpu', weights_only=False)
    metadata = getattr(checkpoint['state_dict'], '_metadata', {})
    leaves = dict(flat({**checkpoint, 'metadata': {k: dict(v) for k, v in metadata.items()}}))
    return {name: leaf for name, leaf in leaves.items() if not any(o in name for o in OTHER)}


def logged(folder):
    """The last value of each logged name at each step."""
    values = {}
    for file in sorted(Path(folder).glob('*/vis_data/scalars.json')):
        for line in file.read_text().splitlines():
            entry = json.loads(line)
            for name, value in entry.items():
                if not any(other in name for other in OTHER):
                    values[entry['step'], name] = value
    return values


def equal(a, b):
    """Whether two leaves are the same, NaN included."""
    if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
        a, b = a.numpy(), b.numpy()
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        a, b = np.asarray(a), np.asarray(b)
        if a.shape != b.shape or a.dtype != b.dtype:
            return False
        return np.array_equal(a, b, equal_nan=a.dtype.kind == 'f')
    return type(a) is type(b) and (a == b or a != a)


def different(ours, theirs):
    """Names in two dicts whose values differ, or that one of them lacks."""
    return sorted(
        name
        for name in {*ours, *theirs}
        if name not in ours or name not in theirs or not equal(ours[name], theirs[name])
    )


def differences(folder, other, name):
    """What differs between two runs: leaves of a checkpoint, and logged values."""
    pairs = [(content(Path(each) / name), logged(each)) for each in (folder, other)]
    (ours, our_log), (theirs, their_log) = pairs
    assert len(ours) > 100 and len(our_log) > 20
    return different(ours, theirs) + [
        f'{log} at {step}' for step, log in different(our_log, their_log)
    ]
