"""Three classes of single-coloured noise, and a config that trains a two-block DenseNet on them in seconds."""
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[2]
COLOURS = {'cat': (220, 60, 60), 'dog': (60, 220, 60), 'ferret': (60, 60, 220)}
CONFIG = """
_base_ = {base!r}
classes = ('cat', 'dog', 'ferret')
pipeline = [dict(type='LoadImageFromFile'), dict(type='PackInputs')]
model = dict(
    type='mmsemiloc.SemiSupClassifier',
    data_preprocessor=dict(mean=[128, 128, 128], std=[64, 64, 64], num_classes=3),
    backbone=dict(type='DenseNet', arch=dict(growth_rate=4, depths=[2, 2], init_channels=8)),
    head=dict(
        type='mmsemiloc.CAMClsHead', num_classes=3, in_channels=16,
        loss_mel=dict(type='mmsemiloc.MeanEntropyLoss', loss_weight=0.1),
        loss_nbel=dict(type='mmsemiloc.NegativeBatchEntropyLoss', loss_weight=0.1)))
train_dataloader = dict(
    batch_size=6, num_workers=0,
    dataset=dict(
        type='mmsemiloc.SemiSupDataset',
        labeled=dict(type='CustomDataset', data_root={labeled!r}, classes=classes, pipeline=pipeline),
        unlabeled=dict(type='CustomDataset', data_root={unlabeled!r}, with_label=False, pipeline=pipeline)),
    sampler=dict(type='mmsemiloc.SemiSupSampler', batch_size=6, labeled_ratio=1 / 3))
val_dataloader = dict(
    batch_size=9, num_workers=0,
    dataset=dict(type='CustomDataset', data_root={val!r}, classes=classes, pipeline=pipeline),
    sampler=dict(type='DefaultSampler', shuffle=False))
val_evaluator = dict(type='Accuracy', topk=1)
optim_wrapper = dict(
    type='mmsemiloc.AccumOptimWrapper', micro_batch_size=3, optimizer=dict(type='SGD', lr=0.1, momentum=0.9))
train_cfg = dict(by_epoch=True, max_epochs=3, val_interval=3)
val_cfg = dict()
visualizer = dict(vis_backends=[])
"""


def save_noise(path, colour, seed):
    """A noisy picture of one colour, 48x40."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).normal(0, 20, (40, 48, 3))
    Image.fromarray(np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)).save(path)


def make_noise_images(folder):
    """12 labelled, 24 unlabelled and 18 validation images, and ``config.py``; the path of the config."""
    for number, (name, colour) in enumerate(COLOURS.items()):
        for i in range(18):
            kind = 'labeled' if i < 4 else 'unlabeled' if i < 12 else 'val'
            inner = Path(kind) if kind == 'unlabeled' else Path(kind, name)
            save_noise(folder / inner / f'{name}{i}.png', colour, seed=100 * number + i)
    config = folder / 'config.py'
    config.write_text(CONFIG.format(
        base=str(ROOT / 'configs/_base_/runtime.py'),
        **{kind: str(folder / kind) for kind in ('labeled', 'unlabeled', 'val')}))
    return config
