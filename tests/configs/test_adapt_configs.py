"""Adaptation without labels: what each config moves, and what it refuses."""

import copy

import pytest
import torch
from mmengine.config import Config
from torch.nn.modules.batchnorm import _BatchNorm

from mmsemiloc.commands.common import load_config
from mmsemiloc.engine.build import build_runner
from mmsemiloc.registry import MODELS
from tests.configs.test_configs import CONFIGS
from tests.datasets.conftest import save_image

DIGITS = sorted((CONFIGS / 'adapt').glob('digits_*.py'))
CLASSES = tuple('0123456789')


def made_checkpoint(folder, path=DIGITS[0], classes=CLASSES, num_classes=10):
    """A file with random weights for the model of a config; every number of it is its own."""
    torch.manual_seed(1)
    cfg = Config.fromfile(path)
    cfg.model.head.num_classes = num_classes
    cfg.model.data_preprocessor = cfg.model.get('data_preprocessor') or cfg.data_preprocessor
    cfg.model.data_preprocessor.num_classes = num_classes
    model = MODELS.build(cfg.model)
    model.init_weights()
    state = model.state_dict()
    torch.nn.init.normal_(state['head.fc.weight'], std=0.3)

    file = str(folder / 'source.pth')
    meta = dict(dataset_meta=dict(classes=classes)) if classes else {}
    torch.save(dict(state_dict=copy.deepcopy(state), meta=meta), file)
    return file


def what_moved(folder, source):
    """The names of the tensors that a run of two steps has changed, and its checkpoint."""
    saved = torch.load(folder / 'run/iter_2.pth', weights_only=False)
    before = torch.load(source, weights_only=False)['state_dict']
    state = saved['state_dict']
    return {name for name in state if not torch.equal(state[name], before[name])}, saved


def adapt(path, folder, **options):
    """Run a config for two steps on few images; what has moved, and the checkpoint."""
    sources = ('train_dataloader.dataset.unlabeled', 'val_dataloader.dataset')
    few = {f'{source}.num_images': 20 for source in sources}
    options = {'steps': 2, 'batch_size': 8, 'visualizer.vis_backends': [], **few, **options}
    runner = build_runner(load_config(path, ('model',), options, work_dir=str(folder / 'run')))
    runner.train()

    moved, saved = what_moved(folder, options['load_from'])
    return runner, moved, saved


def expected(name, model):
    """The entries of the state dict that a method moves."""
    norms = {
        f'{prefix}.{entry}'
        for prefix, module in model.named_modules()
        if isinstance(module, _BatchNorm)
        for entry in module.state_dict()
    }
    return {
        'source': set(),
        'bn': {entry for entry in norms if 'running' in entry or 'tracked' in entry},
        'tent': norms,
    }.get(name, {entry for entry in model.state_dict() if entry.startswith('backbone.')})


@pytest.mark.parametrize('path', DIGITS, ids=lambda path: path.stem)
def test_the_head_stays_and_each_method_moves_its_part(path, tmp_path):
    runner, moved, saved = adapt(path, tmp_path, load_from=made_checkpoint(tmp_path))
    assert moved == expected(path.stem.removeprefix('digits_adapt_'), runner.model)
    assert saved['meta']['dataset_meta']['classes'] == CLASSES


def test_without_freezing_the_head_moves(tmp_path):
    """The negative control."""
    path = CONFIGS / 'adapt/digits_adapt_mel_nbel.py'
    options = {'load_from': made_checkpoint(tmp_path), 'model.frozen': []}
    _, moved, saved = adapt(path, tmp_path, **options)
    assert moved == set(saved['state_dict'])


def test_nothing_to_adapt_is_refused(tmp_path):
    for path in (DIGITS[0], CONFIGS / 'adapt/digits_adapt_source.py'):
        with pytest.raises(
            ValueError, match=r"model.frozen keeps '\w+' .*nothing has trained it: "
        ):
            adapt(path, tmp_path, load_from=None)


@pytest.mark.parametrize('classes', [CLASSES[:3], ()], ids=['names', 'no names'])
def test_a_source_of_other_classes_is_refused(classes, tmp_path):
    file = made_checkpoint(tmp_path, classes=classes, num_classes=3)
    with pytest.raises(ValueError, match='head.fc.weight, head.fc.bias would start anew, but'):
        adapt(DIGITS[0], tmp_path, load_from=file)


def test_validation_images_with_other_names_than_the_source_are_refused(tmp_path):
    file = made_checkpoint(tmp_path, classes=CLASSES[::-1])
    with pytest.raises(ValueError, match='the validation images and the checkpoint number'):
        adapt(DIGITS[0], tmp_path, load_from=file)
    adapt(DIGITS[0], tmp_path, load_from=made_checkpoint(tmp_path, classes=()))  # nothing is known


def test_photographs_alone(tmp_path):
    path, names = CONFIGS / 'adapt/photos_mel_nbel.py', ('cat', 'dog', 'owl')
    photos = tmp_path / 'photos'
    for place in ('a.png', 'more/b.png', 'more/c.png'):
        save_image(photos / place)
    options = {
        'steps': 2,
        'batch_size': 4,
        'micro_batch_size': 2,
        'num_classes': 3,
        'data_root': str(photos),
        'load_from': made_checkpoint(tmp_path, path, names, 3),
        'train_dataloader.num_workers': 0,
        'visualizer.vis_backends': [],
        'train_dataloader.dataset.unlabeled.pipeline.1.scale': 64,
        'train_dataloader.dataset.unlabeled.pipeline.2.crop_size': 64,
    }
    runner = build_runner(load_config(path, ('model',), options, work_dir=str(tmp_path / 'run')))
    runner.train()

    moved, saved = what_moved(tmp_path, options['load_from'])
    assert moved and not any(name.startswith('head') for name in moved)
    assert saved['meta']['dataset_meta']['classes'] == names
