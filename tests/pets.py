"""Three classes of single-coloured noise images, on which a small network is right at once: base of
tests of wrong input.
"""

import importlib
import os
import subprocess
import sys
from collections import OrderedDict
from pathlib import Path

import numpy as np
from mmengine.logging import MessageHub, MMLogger
from mmengine.registry import DefaultScope
from PIL import Image

ROOT = Path(__file__).parents[1]
COLOURS = dict(cat=(200, 60, 60), dog=(60, 200, 60), ferret=(60, 60, 200))
COUNTS = dict(labeled=4, unlabeled=8, val=6)
CONFIG = """
_base_ = '{root}/configs/densenet_mel_nbel_loc.py'
max_epochs = 3
num_classes = 3
batch_size = 12
micro_batch_size = None
pipeline = [dict(type='LoadImageFromFile'), dict(type='PackInputs')]
loader = dict(num_workers=0, persistent_workers=False)
model = dict(
    backbone=dict(
        _delete_=True,
        type='DenseNet',
        arch=dict(growth_rate=8, depths=[2, 2], init_channels=16)),
    head=dict(in_channels=32))
train_dataloader = dict(
    dataset=dict(
        labeled=dict(
            _delete_=True, type='CustomDataset', data_root='data/labeled', pipeline=pipeline),
        unlabeled=dict(
            _delete_=True,
            type='CustomDataset',
            data_root='data/unlabeled',
            with_label=False,
            pipeline=pipeline)),
    sampler=dict(epoch_length=4),
    **loader)
val_dataloader = test_dataloader = dict(
    dataset=dict(_delete_=True, type='CustomDataset', data_root='data/val', pipeline=pipeline),
    **loader)
val_evaluator = test_evaluator = dict(topk=1)
optim_wrapper = dict(optimizer=dict(lr=20))
"""


def save_colour(path, kind, size=(40, 48), seed=0):
    """A noise image in the colour of a class."""
    noise = np.random.default_rng(seed).normal(0, 20, (*size, 3))
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.clip(COLOURS[kind] + noise, 0, 255).astype(np.uint8)).save(path)


class Pets:
    """A folder with ``pets.py`` and its images, in which the tools run."""

    def __init__(self, folder):
        self.folder = folder
        self.data = folder / 'data'
        for part, count in COUNTS.items():
            for kind in COLOURS:
                for i in range(count):
                    save_colour(
                        self.data / part / kind / f'{i}.png', kind, seed=len(part) * 100 + i
                    )
        (folder / 'pets.py').write_text(CONFIG.format(root=ROOT))

    def config(self, text, name='own'):
        """A config that inherits pets.py."""
        (self.folder / f'{name}.py').write_text(f"_base_ = 'pets.py'\n{text}\n")
        return f'{name}.py'

    def lists(self, part, change=lambda lines: lines, classes=True):
        """Options that take a part from a list file, whose lines ``change`` returns."""
        lines = [
            f'{kind}/{i}.png' + ('' if part == 'unlabeled' else f' {label}')
            for label, kind in enumerate(COLOURS)
            for i in range(COUNTS[part])
        ]
        changed = change(lines)
        text = (
            changed
            if isinstance(changed, bytes)
            else ''.join(f'{line}\n' for line in changed).encode()
        )
        (self.data / f'{part}.txt').write_bytes(text)
        place = 'val_dataloader.dataset' if part == 'val' else f'train_dataloader.dataset.{part}'
        options = [
            f'{place}.data_root=data',
            f'{place}.data_prefix={part}',
            f'{place}.ann_file={part}.txt',
        ]
        return options + (
            [f'{place}.classes=cat,dog,ferret'] if classes and part != 'unlabeled' else []
        )

    def run(self, tool, *args, status=0, **env):
        """Run a tool in a process of its own; what it printed to stdout, then to stderr."""
        result = subprocess.run(
            [sys.executable, ROOT / 'tools' / tool, *map(str, args)],
            capture_output=True,
            text=True,
            timeout=300,
            cwd=self.folder,
            env={**os.environ, 'COLUMNS': '200', **env},
        )
        assert result.returncode == status, result.stdout + result.stderr
        return result.stdout, result.stderr


def refuse(monkeypatch, capsys, tool, *args):
    """Run a tool in this process; the one line by which it refuses its input, without its
    beginning.
    """
    monkeypatch.syspath_prepend(ROOT / 'tools')
    for kind in (DefaultScope, MessageHub, MMLogger):  # two runs of one second would have one name
        monkeypatch.setattr(kind, '_instance_dict', OrderedDict())
    monkeypatch.setattr(sys, 'argv', [f'{tool}.py', *map(str, args)])
    try:
        importlib.import_module(tool).main()
    except SystemExit as stop:
        code = stop.code
    error = capsys.readouterr().err
    assert code == 2, (code, error)
    lines = [line for line in error.splitlines() if line.startswith(f'{tool}.py: error: ')]
    assert len(lines) == 1, error
    return lines[0].removeprefix(f'{tool}.py: error: ')
