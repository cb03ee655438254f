"""Runs on frozen features of a handful of generated images, by a tiny network."""

from pathlib import Path

from mmsemiloc.commands.common import load_config
from mmsemiloc.engine.build import build_runner
from tests.datasets.test_fashion_mnist import write_files
from tests.few_labels.test_features import MODEL

CONFIGS = Path(__file__).parents[2] / 'configs/few_labels'
DIMS = 8


def frozen_config(name, tmp_path, steps=6, **options):
    """A config of configs/few_labels/fashion_frozen_* for 10 labelled and 10 unlabelled images."""
    if not (tmp_path / 'data').exists():
        write_files(tmp_path / 'data')
    cfg = load_config(
        CONFIGS / f'fashion_frozen_{name}.py',
        ('model', 'train_dataloader'),
        {
            'data_root': str(tmp_path / 'data'),
            'per_class': 1,
            'image_size': 32,
            'batch_size': 20,
            'labeled_ratio': 0.5,
            'steps': steps,
            'model.backbone.channels': 64,
            'model.backbone.dims': DIMS,
            'model.head.in_channels': DIMS,
            'visualizer.vis_backends': [],
            **options,
        },
        work_dir=str(tmp_path / name),
    )

    # A network of random weights, which are always the same.
    for dataset in cached(cfg):
        dataset.model, dataset.cache = MODEL, str(tmp_path / 'cache')
    return cfg


def cached(cfg):
    """The configs of all CachedFeatures."""
    train = cfg.train_dataloader.dataset
    parts = [train.labeled, train.unlabeled]
    return [*parts, *(cfg[f'{split}_dataloader'].dataset for split in ('val', 'test'))]


def trained(cfg):
    """The runner, after training."""
    runner = build_runner(cfg)
    runner.train()
    return runner


def weights(runner):
    """Weight and bias of the classifier."""
    fc = runner.model.head.fc
    return fc.weight.detach().clone(), fc.bias.detach().clone()
