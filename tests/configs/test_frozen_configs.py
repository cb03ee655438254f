"""The configs on frozen features, on a handful of generated files."""

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.few_labels.frozen_runs import CONFIGS, frozen_config, trained

pytestmark = pytest.mark.usefixtures('tiny_frozen_runs')

NAMES = sorted(file.stem.removeprefix('fashion_frozen_') for file in CONFIGS.glob('*frozen*.py'))
LOSSES = {
    'ce': {'loss_ce'},
    'mel_nbel': {'loss_ce', 'loss_mel', 'loss_nbel'},
    'fixmatch_mel_nbel': {'loss_ce', 'loss_mel', 'loss_nbel', 'loss_fixmatch'},
}
ROOT = Path(__file__).parents[2]


def test_there_are_the_promised_configs():
    assert set(NAMES) == set(LOSSES)


@pytest.mark.parametrize('name', NAMES)
def test_configs_train_and_test(name, tmp_path):
    runner = trained(frozen_config(name, tmp_path))
    logged = runner.message_hub.log_scalars
    found = {key.removeprefix('train/') for key in logged if key.startswith('train/loss_')}
    assert found == LOSSES[name]
    assert all(math.isfinite(logged[f'train/{key}'].current()) for key in found)
    assert 'val/accuracy/top1' in logged and 'accuracy/top1' in runner.test()

    # A step has all rows: 10 labelled images, and 10 unlabelled ones in one view or two.
    dataset = runner.train_loop.dataloader.dataset
    [batch] = list(runner.train_loop.dataloader)[:1]
    assert batch['inputs'].shape == (20, 64, 1, 1)
    rows = {tuple(row.tolist()) for row in batch['inputs'].flatten(1)}
    assert len(rows) == len(dataset) == 20
    views = sum(len(sample.get('views', ())) for sample in batch['data_samples'])
    assert views == (10 if 'fixmatch' in name else 0)


def test_a_step_has_each_labelled_image_equally_often(tmp_path):
    """For the numbers of labels that the config promises it for."""
    for per_class in (1, 2):
        cfg = frozen_config('ce', tmp_path, per_class=per_class, batch_size=160 + 5)
        cfg.train_dataloader.sampler.labeled_ratio = 160 / 165
        if per_class == 2:  # all 20 images are labelled ones
            cfg.train_dataloader.dataset.unlabeled = cfg.train_dataloader.dataset.labeled
            cfg.train_dataloader.dataset.allow_overlap = True
        batch = next(iter(trained(cfg).train_loop.dataloader))
        known = torch.tensor(['gt_label' in sample for sample in batch['data_samples']])
        _, counts = batch['inputs'][known].flatten(1).unique(dim=0, return_counts=True)
        assert counts.tolist() == [16 // per_class] * 10 * per_class


@pytest.mark.slow
def test_tools_train_and_test(tmp_path):
    """Through the doors, with a file of predictions."""
    config, work_dir = tmp_path / 'mine.py', tmp_path / 'run'
    cfg = frozen_config('mel_nbel', tmp_path)
    config.write_text('\n'.join(f'{key} = {value!r}' for key, value in cfg.to_dict().items()))
    start = (
        'import mmsemiloc.datasets.fashion_mnist as f, runpy, sys; f.VAL_PER_CLASS = 2; '
        'sys.path.insert(0, "tools"); sys.argv = sys.argv[1:]; '
        'runpy.run_path(sys.argv[0], run_name="__main__")'
    )

    def run(*arguments):
        subprocess.run([sys.executable, '-c', start, *map(str, arguments)], check=True, cwd=ROOT)

    run('tools/train.py', config, '--work-dir', work_dir)
    metrics = tmp_path / 'metrics.json'
    run('tools/test.py', config, work_dir / 'iter_6.pth', '--out', metrics,
        '--work-dir', work_dir)  # fmt: skip
    assert 'accuracy/top1' in json.loads(metrics.read_text())
