"""The README's example of one's own data, as it stands there, on a folder as it describes it."""
import re
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.runner import Runner
from PIL import Image

ROOT = Path(__file__).parents[1]


@pytest.fixture
def pets(tmp_path, monkeypatch):
    """A checkout's configs/ with the README's pets.py, beside data/pets."""
    (tmp_path / 'configs').mkdir()
    for path in ROOT.glob('configs/*'):
        (tmp_path / 'configs' / path.name).symlink_to(path)
    text = re.search(r'```python\n(_base_.*?)```', (ROOT / 'README.md').read_text(), re.S)[1]
    (tmp_path / 'configs' / 'pets.py').write_text(text)
    data = tmp_path / 'data' / 'pets'
    lists = {'labeled.txt': [], 'unlabeled.txt': [], 'val.txt': []}
    for i in range(12):
        name, label = ['cats', 'dogs', 'ferrets'][i % 3], i % 3
        part = 'val' if i < 3 else 'train'
        path = data / part / name / f'{i}.jpg'
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(i).integers(0, 256, (260, 280, 3), dtype=np.uint8)).save(path)
        file = 'val.txt' if i < 3 else ['labeled.txt', 'unlabeled.txt'][i % 2]
        lists[file].append(f'{name}/{i}.jpg' + ('' if file == 'unlabeled.txt' else f' {label}'))
    for file, lines in lists.items():
        (data / file).write_text('\n'.join(lines) + '\n')
    monkeypatch.chdir(tmp_path)
    return tmp_path / 'configs' / 'pets.py'


@pytest.mark.slow
def test_own_data_trains(pets, tmp_path):
    cfg = Config.fromfile(pets)
    cfg.merge_from_dict({
        'work_dir': str(tmp_path / 'out'), 'train_cfg.max_epochs': 1, 'train_dataloader.batch_size': 4,
        'train_dataloader.sampler.batch_size': 4, 'train_dataloader.sampler.epoch_length': 1,
        'model.head.in_channels': 16, 'vis_backends': [], 'visualizer.vis_backends': []})
    cfg.model.backbone.arch = dict(growth_rate=4, depths=[2, 2], init_channels=8)
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        loader.update(num_workers=0, persistent_workers=False)
    runner = Runner.from_cfg(cfg)
    runner.train()
    assert runner.train_dataloader.dataset.metainfo['classes'] == ('cat', 'dog', 'ferret')
    assert 'val/accuracy/top1' in runner.message_hub.log_scalars
