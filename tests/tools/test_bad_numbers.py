"""Numbers that are not finite, through tools/train.py: one line, exit code 2, and no checkpoint."""

import importlib
import math
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.pets import ROOT, Pets

RATE = 'optim_wrapper.optimizer.lr'


@pytest.fixture(scope='module')
def pets(tmp_path_factory):
    return Pets(tmp_path_factory.mktemp('pets'))


def checkpoints(folder):
    return sorted(path.name for path in Path(folder).rglob('*.pth'))


def error_of(pets, *options, config='pets.py', env=None):
    """The one line by which a run in a process of its own stops; there is no checkpoint of it."""
    work_dir = pets.folder / f'work{len(list(pets.folder.iterdir()))}'
    _, stderr = pets.run(
        'train.py',
        config,
        '--work-dir',
        work_dir,
        *(['--cfg-options', *options] if options else []),
        status=2,
        **(env or {}),
    )
    lines = [line for line in stderr.splitlines() if line.startswith('train.py: error: ')]
    assert len(lines) == 1 and not checkpoints(work_dir) and 'Traceback' not in stderr
    return lines[0].removeprefix('train.py: error: ')


@pytest.mark.slow
def test_a_learning_rate_of_a_million(pets):
    error = error_of(pets, f'{RATE}=1e6', 'train_dataloader.sampler.epoch_length=40')
    assert 'not finite' in error or ' is nan' in error or ' is inf' in error
    assert re.search(
        r'at iteration \d+ \(learning rate .*\), so the step was skipped; images: data/.*\.png',
        error,
    )


@pytest.mark.slow
def test_a_sound_run_tells_of_its_first_step_and_saves(pets):
    """Negative control."""
    work_dir = pets.folder / 'sound'
    stdout, stderr = pets.run('train.py', 'pets.py', '--work-dir', work_dir)
    output = stdout + stderr
    assert output.index('step 1 of 12: loss ') < output.index('Epoch(train)')
    assert 's per step, about ' in output and checkpoints(work_dir)
    assert (
        'Predictions up to iteration 10: 3 of 3 classes used' in output
        and '; unlabelled images: ' in output
    )


@pytest.mark.slow
def test_a_weight_that_is_no_number(pets):
    file = pets.folder / 'sound' / 'epoch_1.pth'
    if not file.is_file():
        pets.run('train.py', 'pets.py', '--work-dir', pets.folder / 'sound')
    checkpoint = torch.load(file, weights_only=False)
    checkpoint['state_dict']['head.fc.weight'][0, 0] = math.nan
    torch.save(checkpoint, pets.folder / 'nan.weights')
    error = error_of(pets, f'load_from={pets.folder}/nan.weights')
    assert 'head.fc.weight' in error and 'not finite' in error


@pytest.mark.slow
def test_an_image_of_floats_with_a_hole(pets):
    """The pipeline reads NumPy files, one of which has a NaN."""
    (pets.folder / 'float_reader.py').write_text("""
import numpy as np
from mmpretrain.registry import TRANSFORMS


@TRANSFORMS.register_module(force=True)
class LoadFloats:
    def __call__(self, results):
        results['img'] = np.load(results['img_path']).astype(np.float32)
        return results
""")
    for part in ('labeled', 'unlabeled'):
        for kind in ('cat', 'dog', 'ferret'):
            for number in range(4):
                pixels = np.random.default_rng(number).uniform(0, 255, (32, 32, 3))
                if (part, kind, number) == ('unlabeled', 'dog', 2):
                    pixels[3, 4, 1] = math.nan
                file = pets.folder / 'floats' / part / kind / f'{number}.npy'
                file.parent.mkdir(parents=True, exist_ok=True)
                np.save(file, pixels)
    part = "dict(data_root='floats/{}', extensions=('.npy', ), pipeline=floats)"
    config = pets.config(
        f"""
custom_imports = dict(imports=['float_reader'])
floats = [dict(type='LoadFloats'), dict(type='PackInputs')]
train_dataloader = dict(dataset=dict(
    labeled={part.format('labeled')}, unlabeled={part.format('unlabeled')}))
val_dataloader = val_evaluator = val_cfg = None""",
        name='floats',
    )
    error = error_of(pets, config=config, env=dict(PYTHONPATH=f'{pets.folder}:{ROOT}'))
    assert (
        'floats/unlabeled/dog/2.npy: its pixels are not finite' in error
        and 'mend or remove the image' in error
    )


def refused(monkeypatch, capsys, pets, *options):
    """As error_of, in this process."""
    monkeypatch.chdir(pets.folder)
    monkeypatch.syspath_prepend(ROOT / 'tools')
    monkeypatch.setattr(
        sys, 'argv', ['train.py', 'pets.py', '--work-dir', 'refused', '--cfg-options', *options]
    )
    with pytest.raises(SystemExit) as stop:
        importlib.import_module('train').main()
    assert stop.value.code == 2 and not checkpoints('refused')
    (line,) = [
        line
        for line in capsys.readouterr().err.splitlines()
        if line.startswith('train.py: error: ')
    ]
    return line


@pytest.mark.parametrize(
    'option, words',
    [
        ('data_preprocessor.std=[64,0,64]', ['std=[64, 0, 64]', 'above 0, got 0']),
        ('data_preprocessor.std=[64,-1,64]', ['above 0, got -1']),
        ('data_preprocessor.std=[64,64]', ['mean and std need a number for each channel']),
        (f'{RATE}=nan', ['optimizer.lr', 'got nan']),
        (f'{RATE}=inf', ['optimizer.lr', 'got inf']),
        (f'{RATE}=-1', ['-1']),
        ('optim_wrapper.optimizer.momentum=nan', ['optimizer.momentum', 'got nan']),
        ('optim_wrapper.optimizer.weight_decay=nan', ['optimizer.weight_decay', 'got nan']),
        ('model.head.loss_nbel.loss_weight=nan', ['loss_weight', 'got nan']),
        ('model.head.loss_mel.loss_weight=inf', ['loss_weight', 'got inf']),
        ('model.head.loss_locality.loss_weight=-1', ['loss_weight', 'got -1']),
        ('model.head.loss_nbel.prior=[1,nan,1]', ['prior', 'nan']),
    ],
)
def test_numbers_that_can_never_be_meant(option, words, pets, monkeypatch, capsys):
    error = refused(monkeypatch, capsys, pets, option)
    assert all(word in error for word in words), error
