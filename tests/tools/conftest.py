"""One short quickstart that the tests of the study tools share."""

import importlib
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
STEPS = 6
# In a sitecustomize.py: mmcv's C++ ops are not built.
WITHOUT_OPS = "import sys\nsys.modules['mmcv._ext'] = None\n"
MINI = """
default_scope = 'mmpretrain'
model = dict(
    type='ImageClassifier',
    data_preprocessor=dict(num_classes=2, mean=[127.5], std=[50.0], to_rgb=False),
    backbone=dict(type='LeNet5', num_classes=2),
    head=dict(type='ClsHead', loss=dict(type='CrossEntropyLoss')))
train_dataloader = dict(
    batch_size=4,
    num_workers=0,
    dataset=dict(
        type='CustomDataset',
        data_root='DATA',
        pipeline=[dict(type='LoadImageFromFile', color_type='grayscale'), dict(type='PackInputs')]),
    sampler=dict(type='DefaultSampler', shuffle=True))
test_dataloader = dict(train_dataloader, sampler=dict(type='DefaultSampler', shuffle=False))
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.01))
train_cfg = dict(by_epoch=True, max_epochs=1)
test_cfg = dict()
test_evaluator = dict(type='Accuracy')
default_hooks = dict(logger=dict(type='LoggerHook', interval=1))
"""


def run_tool(name, *args, status=0, **env):
    """Run a tool in a process of its own; what it printed to stdout, then to stderr."""
    command = [sys.executable, ROOT / 'tools' / name, *map(str, args)]
    environment = {**os.environ, 'COLUMNS': '200', **env}
    result = subprocess.run(
        command, capture_output=True, text=True, timeout=300, cwd=ROOT, env=environment
    )
    assert result.returncode == status, result.stdout + result.stderr
    return result.stdout, result.stderr


@pytest.fixture
def refuse(monkeypatch, capsys):
    """A function that runs a tool in this process and returns the one line by which it refuses its
    arguments.
    """
    monkeypatch.syspath_prepend(ROOT / 'tools')

    def run(name, *args):
        monkeypatch.setattr(sys, 'argv', [f'{name}.py', *map(str, args)])
        with pytest.raises(SystemExit) as stop:
            importlib.import_module(name).main()
        output, error = capsys.readouterr()
        assert (
            stop.value.code == 2
            and error.startswith(f'{name}.py: error: ')
            and error.count('\n') == 1
            and not output
        )
        return error

    return run


@pytest.fixture
def parse(monkeypatch):
    """A function that parses the arguments of a tool."""
    monkeypatch.syspath_prepend(ROOT / 'tools')
    return lambda name, *args: (
        importlib.import_module(name).make_parser().parse_args(list(map(str, args)))
    )


@pytest.fixture(scope='session')
def quickstart(tmp_path_factory):
    """Its folder, its output and its page; mmcv has no C++ ops there, of which mmdet complains."""
    folder, site = tmp_path_factory.mktemp('quickstart'), tmp_path_factory.mktemp('site')
    (site / 'sitecustomize.py').write_text(WITHOUT_OPS)
    path = os.pathsep.join([str(site), *filter(None, [os.environ.get('PYTHONPATH')])])
    stdout, stderr = run_tool(
        'quickstart.py', '--steps', STEPS, '--seed', 3, '--work-dir', folder, PYTHONPATH=path
    )
    return SimpleNamespace(
        folder=folder, stdout=stdout, stderr=stderr, page=(folder / 'report.html').read_text()
    )


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """A folder with a config and its 16 images of two classes, dark and bright."""
    folder = tmp_path_factory.mktemp('run')
    noise = np.random.default_rng(0)
    for i in range(16):
        path = folder / 'data' / ['dark', 'bright'][i % 2] / f'{i}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(
            noise.integers(0, 100, (32, 32), dtype=np.uint8) + np.uint8(150 * (i % 2))
        ).save(path)
    (folder / 'mini.py').write_text(MINI.replace('DATA', str(folder / 'data')))
    return folder
