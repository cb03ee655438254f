"""The examples of one's own data in README.md and docs/data.md, as they stand there, on a folder as they describe it."""
import re
import subprocess
import sys
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.runner import Runner

from tests.datasets.conftest import save_image

ROOT = Path(__file__).parents[1]
CLASSES = ('cat', 'dog', 'ferret')


def blocks(file):
    """The Python files that a page shows, by the comment on their first line."""
    return dict(re.findall(r'```python\n# (\S+\.py)\n(.*?)```', (ROOT / file).read_text(), re.S))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A checkout's configs/ beside the images of data/pets and data/web."""
    (tmp_path / 'configs').mkdir()
    for path in ROOT.glob('configs/*'):
        (tmp_path / 'configs' / path.name).symlink_to(path)
    pets = tmp_path / 'data' / 'pets'
    lists = {'labeled': [], 'unlabeled': [], 'val': []}
    for i in range(12):
        label = i % 3
        name = f'{CLASSES[label]}/{i}.jpg'
        for part in ('val', ) if i < 3 else ('train', 'labeled'):
            save_image(pets / part / name, (260, 280), seed=i)
        kind = 'val' if i < 3 else ('labeled', 'unlabeled')[i % 2]
        lists[kind].append(name if kind == 'unlabeled' else f'{name} {label}')
        save_image(pets / 'unlabeled' / 'some' / f'{i}.jpg', (230, 300), seed=100 + i)
        save_image(tmp_path / 'data' / 'web' / f'{i}.jpg', (300, 230), seed=200 + i)
    for kind, lines in lists.items():
        (pets / f'{kind}.txt').write_text('\n'.join(lines) + '\n')
    monkeypatch.chdir(tmp_path)
    return tmp_path


def train(config, tmp_path, workers=0):
    """Two steps with a small backbone; the runner."""
    cfg = Config.fromfile(config)
    cfg.merge_from_dict({
        'work_dir': str(tmp_path / 'out'), 'train_cfg.max_epochs': 1, 'train_dataloader.batch_size': 4,
        'train_dataloader.sampler.batch_size': 4, 'train_dataloader.sampler.epoch_length': 2, 'model.head.in_channels': 16,
        'vis_backends': [], 'visualizer.vis_backends': [], 'experiment_name': config.stem})
    cfg.model.backbone.arch = dict(growth_rate=4, depths=[2, 2], init_channels=8)
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        loader.update(num_workers=workers, persistent_workers=False)
    runner = Runner.from_cfg(cfg)
    runner.train()
    assert runner.iter == 2 and 'val/accuracy/top1' in runner.message_hub.log_scalars
    return runner


@pytest.mark.slow
def test_lists_of_the_readme(folder):
    config = folder / 'configs' / 'pets.py'
    config.write_text(re.search(r'```python\n(_base_.*?)```', (ROOT / 'README.md').read_text(), re.S)[1])
    dataset = train(config, folder).train_dataloader.dataset
    assert dataset.metainfo['classes'] == CLASSES
    assert (dataset.num_labeled, dataset.num_unlabeled) == (4, 5)


@pytest.mark.slow
@pytest.mark.parametrize('way, labeled, unlabeled', [('folders', 9, 24), ('lists', 4, 5), ('lmdb', 4, 12)])
def test_three_ways(folder, way, labeled, unlabeled):
    files = blocks('docs/data.md')
    if way == 'lmdb':
        subprocess.run([sys.executable, '-c', files['make_lmdb.py']], check=True)
    config = folder / f'configs/pets_{way}.py'
    config.write_text(files[f'configs/{config.name}'])
    dataset = train(config, folder, workers=2 if way == 'lmdb' else 0).train_dataloader.dataset
    assert dataset.metainfo['classes'] == CLASSES
    assert (dataset.num_labeled, dataset.num_unlabeled) == (labeled, unlabeled)
