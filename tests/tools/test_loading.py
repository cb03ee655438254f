"""What the tools do with weights that are not the model's: one line, exit code 2, no number."""

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torchvision.models import DenseNet as TorchvisionDenseNet

from mmsemiloc.engine.hooks import setup_hook
from mmsemiloc.models.checkpoints.densenet_keys import torchvision_name
from tests.conftest import make_model

TOOLS = Path(__file__).parents[2] / 'tools'
PNG = cv2.imencode('.png', np.zeros((8, 8, 3), np.uint8))[1].tobytes()
ARCH = dict(growth_rate=4, depths=[2, 2], init_channels=8)
CONFIG = f"""
default_scope = 'mmpretrain'
scenes = dict(type='mmsemiloc.DigitScenes', pipeline=[dict(type='PackInputs')])
model = dict(
    type='mmsemiloc.SemiSupClassifier',
    data_preprocessor=dict(mean=[128] * 3, std=[64] * 3, num_classes=10),
    backbone=dict(type='DenseNet', arch={ARCH}),
    head=dict(type='mmsemiloc.CAMClsHead', num_classes=10, in_channels=16))
train_dataloader = dict(
    batch_size=4, num_workers=0,
    dataset=dict(type='mmsemiloc.SemiSupDataset', labeled=dict(scenes, num_images=20)),
    sampler=dict(type='mmsemiloc.SemiSupSampler', batch_size=4, labeled_ratio=1.0, epoch_length=2))
test_dataloader = dict(
    batch_size=10, num_workers=0, dataset=dict(scenes, split='val', num_images=20),
    sampler=dict(type='DefaultSampler', shuffle=False))
test_evaluator = dict(type='Accuracy')
test_cfg = dict()
optim_wrapper = dict(type='mmsemiloc.AccumOptimWrapper', optimizer=dict(type='SGD', lr=0.01))
train_cfg = dict(type='IterBasedTrainLoop', max_iters=2)
default_hooks = dict(checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=1))
custom_hooks = [dict(type='mmsemiloc.SemiSupSetupHook')]
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The present folder, with the config."""
    (tmp_path / 'mini.py').write_text(CONFIG)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def tool(monkeypatch, capfd):
    """A function that runs a tool in this process: its exit code, and its last line on stderr.

    Without an error, instead all that it printed.
    """
    monkeypatch.syspath_prepend(TOOLS)

    def run(name, *args):
        sys.modules.pop(name, None)
        spec = importlib.util.spec_from_file_location(f'tool_{name}', TOOLS / f'{name}.py')
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        monkeypatch.setattr(sys, 'argv', [f'{name}.py', *map(str, args)])
        with pytest.raises(SystemExit) as stop:
            module.main()
        output, error = capfd.readouterr()
        last = error.splitlines()[-1] if stop.value.code else output + error
        return stop.value.code or 0, last

    return run


def classifier(classes=10, seed=3):
    model = make_model(
        backbone=dict(type='DenseNet', arch=ARCH), head=dict(num_classes=classes), seed=seed
    )
    return model.state_dict()


def backbone_alone():
    return {
        name.removeprefix('backbone.'): value
        for name, value in classifier().items()
        if name.startswith('backbone.')
    }


def torchvision_file(classes=10):
    torch.manual_seed(4)
    return TorchvisionDenseNet(
        growth_rate=4, block_config=(2, 2), num_init_features=8, num_classes=classes
    ).state_dict()


def with_nan():
    state = classifier()
    state['backbone.stem.0.weight'][0] = float('nan')
    return state


def renamed(prefix, state=None):
    return {prefix + name: value for name, value in (state or classifier()).items()}


# A file's content, and the line that refuses it as a model to test, and as the start of a training
# ('' where it is taken).
FIT = '65 of 67 tensors of FILE fit SemiSupClassifier: '
NO_HEAD = (
    FIT
    + '2 missing, first head.fc.weight; the file has no classifier: it can only initialise a run'
)
OTHER_HEAD = (
    FIT + '2 of another shape, first head.fc.weight is (5, 16), expected (10, 16); the '
    'head differs: 5 classes in the file, 10 in the model; set num_classes'
)
FILES = {
    'another network': (
        lambda: {'state_dict': {'stem.weight': torch.zeros(3)}},
        '0 of 67 tensors of FILE fit SemiSupClassifier: 56 missing, first backbone.stem.0.weight; '
        '1 unknown, first stem.weight; names in the file: stem.weight;',
        '0 of 67 tensors of FILE fit',
    ),
    'a backbone': (lambda: {'state_dict': backbone_alone()}, NO_HEAD, ''),
    'a backbone in a model': (
        lambda: {'model': renamed('backbone.', backbone_alone())},
        NO_HEAD,
        '',
    ),
    '5 classes': (lambda: {'state_dict': classifier(5)}, OTHER_HEAD, ''),
    'of torchvision, 5 classes': (lambda: torchvision_file(5), FIT + '2 of another shape', ''),
    'half of it': (
        lambda: dict(list(classifier().items())[:30]),
        '30 of 67 tensors of FILE fit',
        '30 of 67 tensors of FILE fit',
    ),
    'too much': (
        lambda: {**classifier(), 'backbone.stages.2.x': torch.zeros(1)},
        'first backbone.stages.2.x',
        '1 unknown, first',
    ),
    'not a number': (
        with_nan,
        'FILE: backbone.stem.0.weight has values that are not finite',
        'not finite',
    ),
    'a list': (
        lambda: [torch.zeros(3)],
        'FILE has no weights by name, it is a list; save model.state_dict()',
        'it is a list',
    ),
    'nothing': (dict, 'it is a dict without entries', 'it is a dict without entries'),
    'an optimizer': (
        lambda: {'optimizer': {'state': {0: {'exp_avg': torch.zeros(1)}}, 'param_groups': []}},
        'it is a dict with the keys optimizer',
        'it is a dict with',
    ),
    'a model': (
        lambda: torch.nn.Linear(2, 3),
        'it holds more than weights (torch.nn.modules.linear.Linear)',
        'save the state dict alone',
    ),
    'two of them': (
        lambda: {**renamed('one.'), **renamed('two.')},
        'FILE fits in two ways',
        'in two ways',
    ),
}


@pytest.mark.parametrize('name', FILES)
@pytest.mark.parametrize('way', ['test', 'train'])
def test_weights_that_do_not_fit_are_refused_in_one_line(name, way, folder, tool):
    make, *messages = FILES[name]
    message = messages[way == 'train']
    torch.save(make(), folder / 'other.pth')
    args = ['other.pth'] if way == 'test' else ['--cfg-options', 'load_from=other.pth']
    code, line = tool(way, 'mini.py', *args)
    if message:
        assert (
            code == 2
            and line.startswith(f'{way}.py: error: ')
            and message.replace('FILE', 'other.pth') in line
        ), line
        assert 'accuracy' not in line
    else:
        reason = '5 classes in the file' if '5 classes' in name else 'none in the file'
        assert code == 0 and re.search(
            f'65 of 67 tensors of other.pth loaded .*head left out: {reason}', line
        ), line
        assert (folder / 'work_dirs/mini/iter_2.pth').is_file()


TAKEN = {
    'as MMEngine saves it': lambda: {'state_dict': classifier(), 'meta': {}},
    'in model': lambda: {'model': classifier(), 'epoch': 3},
    'in model_state_dict, by DDP': lambda: {'model_state_dict': renamed('module.')},
    'in net, compiled': lambda: {'net': renamed('_orig_mod.'), 'acc': 3.0},
    'in state_dict, of a student': lambda: {
        'state_dict': {**renamed('student.'), **renamed('teacher.', with_nan())}
    },
    'in the mean alone': lambda: {'state_dict_ema': renamed('module.')},
    'beside a mean': lambda: {'model': classifier(), 'model_ema': with_nan()},
    'of torchvision': lambda: {
        torchvision_name(name): value for name, value in classifier().items()
    },
    'without prefix': lambda: {
        re.sub('^head[.]', '', name.removeprefix('backbone.')): v
        for name, v in classifier().items()
    },
}


@pytest.mark.parametrize('name', TAKEN)
def test_the_same_weights_in_any_layout_give_the_same_number(name, folder, tool):
    torch.save(TAKEN[name](), folder / 'other.pth')
    torch.save(classifier(), folder / 'plain.pth')
    numbers = []
    for file in ('plain.pth', 'other.pth'):
        code, output = tool('test', 'mini.py', file)
        assert code == 0 and f'67 of 67 tensors of {file} loaded into SemiSupClassifier' in output
        numbers.append(re.search(r'accuracy/top1: (\S+)', output)[1])
    assert numbers[0] == numbers[1]


def test_without_the_check_random_weights_are_scored(folder, tool, monkeypatch):
    """Negative control."""
    monkeypatch.setattr(setup_hook, 'check_weights', lambda runner, checkpoint: None)
    torch.save({'model': classifier()}, folder / 'other.pth')
    code, output = tool('test', 'mini.py', 'other.pth')
    assert code == 0 and 'accuracy/top1' in output


def test_a_run_is_resumed_with_the_same_network_only(folder, tool):
    assert tool('train', 'mini.py')[0] == 0
    more = ['--resume', 'work_dirs/mini/iter_1.pth', '--force', '--cfg-options']
    code, output = tool('train', 'mini.py', *more, 'train_cfg.max_iters=3')
    assert code == 0 and '67 of 67 tensors of work_dirs/mini/iter_1.pth loaded' in output
    code, line = tool(
        'train',
        'mini.py',
        *more,
        'model.head.num_classes=12',
        'model.data_preprocessor.num_classes=12',
    )
    assert code == 2 and '65 of 67 tensors of work_dirs/mini/iter_1.pth fit' in line
    assert '10 classes in the file, 12 in the model' in line
    torch.save(classifier(), 'plain.pth')
    last = Path(Path('work_dirs/mini/last_checkpoint').read_text())
    last.write_bytes(last.read_bytes()[:3000])
    code, line = tool('train', 'mini.py', '--resume', last)
    assert code == 2 and f'cannot load checkpoint {last}: ' in line
    code, line = tool('train', 'mini.py', '--resume')
    assert code == 2 and 'train_cfg.max_iters is 3 there and 2 here' in line
    code, output = tool('train', 'mini.py', '--resume', '--force')
    assert (
        code == 0
        and f'skipped work_dirs/mini/{last.name}: it is cut off' in output
        and 'iter: 2' in output
    )
    code, line = tool('train', 'mini.py', '--resume', 'plain.pth')
    assert code == 2
    assert 'plain.pth cannot be resumed: it has no meta, message_hub, optimizer; start' in line


@pytest.mark.parametrize(
    'name, message',
    [
        ('another network', '0 of 65 tensors of other.pth fit DenseNet: 54 missing'),
        ('half of it', '30 of 65 tensors of other.pth fit DenseNet: 29 missing, first stages.1.'),
        ('too much', '1 unknown, first stages.2.x'),
        ('a backbone', ''),
        ('of torchvision, 5 classes', ''),
        ('a list', 'it is a list'),
    ],
)
def test_the_stock_densenet_starts_from_all_of_a_file_or_not_at_all(name, message, folder, tool):
    torch.save(FILES[name][0](), folder / 'other.pth')
    code, line = tool(
        'train',
        'mini.py',
        '--cfg-options',
        'model.backbone.init_cfg.type=Pretrained',
        'model.backbone.init_cfg.checkpoint=other.pth',
    )
    if message:
        assert code == 2 and message in line, line
    else:
        assert code == 0 and '65 of 65 tensors of other.pth loaded into DenseNet' in line, line


@pytest.mark.parametrize('key', ['load_from', 'model.backbone.init_cfg.checkpoint'])
@pytest.mark.parametrize('torn', [False, True])
def test_a_file_that_is_missing_or_torn_is_told_in_one_line(key, torn, folder, tool):
    options = [f'{key}=other.pth']
    if key != 'load_from':
        options.append('model.backbone.init_cfg.type=Pretrained')
    if torn:
        torch.save(classifier(), 'other.pth')
        Path('other.pth').write_bytes(Path('other.pth').read_bytes()[:3000])
    code, line = tool('train', 'mini.py', '--cfg-options', *options)
    expected = 'cannot load checkpoint other.pth: ' if torn else 'no such checkpoint: other.pth'
    assert code == 2 and line.startswith(f'train.py: error: {expected}')


class Code:
    """What makes a folder where it is unpickled."""

    def __reduce__(self):
        return (os.makedirs, ('code was run', 0o777, True))


PRETRAINED = ['model.backbone.init_cfg.type=Pretrained', 'model.backbone.init_cfg.checkpoint=x.pth']
LOADING = {
    'test': ('test', ['x.pth']),
    'load_from': ('train', ['--cfg-options', 'load_from=x.pth']),
    'resume': ('train', ['--resume', 'x.pth']),
    'init_cfg': ('train', ['--cfg-options', *PRETRAINED]),
    'predict': ('predict', ['x.pth', 'x.png', '--out', 'seen']),
    'analyze_cam': ('analyze_cam', ['x.pth', '--out', 'seen']),
    'transfer': ('transfer', ['--checkpoints', 'x=x.pth']),
    'export': ('export_backbone', ['x.pth', '--to', 'mmdet', '--out', 'out']),
}


@pytest.mark.parametrize('way', LOADING)
def test_code_in_a_checkpoint_is_refused_in_one_line_and_not_run(way, folder, tool, monkeypatch):
    torch.save(dict(state_dict=classifier(), meta=dict(code=Code())), 'x.pth')
    Path('x.png').write_bytes(PNG)
    name, args = LOADING[way]
    code, line = tool(name, *([] if way == 'export' else ['mini.py']), *args)
    assert code == 2 and not Path('code was run').exists(), line
    assert line.startswith(f'{name}.py: error: cannot load checkpoint ')
    assert 'x.pth: it holds more than weights (os.makedirs)' in line

    if way in ('test', 'load_from'):  # negative control
        monkeypatch.setenv('MMSEMILOC_TRUST_CHECKPOINTS', '1')
        assert tool(name, 'mini.py', *args)[0] == 0 and Path('code was run').is_dir()


@pytest.mark.parametrize('way', ['test', 'train'])
def test_in_a_process_of_its_own(way, folder):
    torch.save({'state_dict': {'a': torch.zeros(1)}}, folder / 'other.pth')
    args = ['other.pth'] if way == 'test' else ['--cfg-options', 'load_from=other.pth']
    result = subprocess.run(
        [sys.executable, TOOLS / f'{way}.py', 'mini.py', *args],
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert result.returncode == 2 and 'Traceback' not in result.stderr
    assert 'accuracy' not in result.stdout
    assert result.stderr.splitlines()[-1].startswith(
        f'{way}.py: error: 0 of 67 tensors of other.pth fit SemiSupClassifier'
    )
