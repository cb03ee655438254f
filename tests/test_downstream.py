"""The project that docs/transfer.md describes, outside of the source tree, with mmsemiloc installed
from its wheel.
"""

import os
import subprocess
import sys
from pathlib import Path

import mmdet
import pytest
import torch

from tests.configs.transfer_folders import make_coco
from tests.conftest import make_model
from tests.test_own_data import blocks
from tests.test_packaging import build_wheel, source  # noqa: F401  (a fixture)

TINY = {
    'classify.py': """
train_cfg = dict(max_iters=2, val_interval=2)
param_scheduler, custom_hooks = dict(milestones=[1]), []
val_dataloader = dict(dataset=dict(num_images=20))
default_hooks = dict(checkpoint=dict(interval=2))
""",
    'detect.py': """
model['backbone']['arch'] = dict(growth_rate=4, depths=[1, 1, 1, 1], init_channels=8)
model['neck'].update(in_channels=[12, 10, 9, 8], out_channels=16)
model['bbox_head'] = dict(in_channels=16, feat_channels=16, stacked_convs=1)
train_dataloader = dict(batch_size=2, num_workers=0, persistent_workers=False)
val_dataloader = dict(num_workers=0, persistent_workers=False)
train_cfg = dict(_delete_=True, type='IterBasedTrainLoop', max_iters=2, val_interval=2)
param_scheduler = []
""",
}


@pytest.fixture
def project(source, tmp_path):  # noqa: F811
    """A folder with the page's files, beside a folder into which mmsemiloc was installed.

    A function that runs Python there.
    """
    site, folder = tmp_path / 'site', tmp_path / 'project'
    folder.mkdir()
    build_wheel(source, tmp_path)
    subprocess.run(
        [
            sys.executable,
            '-m',
            'pip',
            'install',
            '--quiet',
            '--no-deps',
            '--target',
            site,
            next(tmp_path.glob('*.whl')),
        ],
        check=True,
        capture_output=True,
    )
    for name, text in blocks('docs/transfer.md').items():
        (folder / name).write_text(text + TINY.get(name, ''))

    def python(*args):
        result = subprocess.run(
            [sys.executable, *map(str, args)],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=300,
            env={**os.environ, 'PYTHONPATH': str(site)},
        )
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout + result.stderr

    python.folder, python.site = folder, site
    return python


@pytest.mark.slow
def test_a_project_of_its_own_inherits_our_configs_and_types(project):
    shown = project('-c', 'import mmsemiloc; print(mmsemiloc.__file__)')
    assert str(project.site) in shown, 'not the source tree'
    project('train.py', 'classify.py')
    checkpoint = torch.load(project.folder / 'work_dirs/classify/iter_2.pth', weights_only=False)
    assert checkpoint['meta']['iter'] == 2
    assert 'loss_weight=0.2' in next(project.folder.rglob('vis_data/config.py')).read_text()


@pytest.mark.slow
def test_mmdetections_own_tool_fine_tunes_what_the_tool_exported(project):
    arch = dict(growth_rate=4, depths=[1, 1, 1, 1], init_channels=8)
    model = make_model(backbone=dict(type='DenseNet', arch=arch))
    torch.save({'state_dict': model.state_dict()}, project.folder / 'iter_1.pth')
    project(project.site / 'mmsemiloc/.mim/tools/export_backbone.py', 'iter_1.pth', '--to', 'mmdet')
    next(project.folder.glob('iter_1_mmdet-*.pth')).rename(project.folder / 'backbone.pth')
    make_coco(project.folder / 'data/coco')
    shown = project(Path(mmdet.__file__).parent / '.mim/tools/train.py', 'detect.py')
    assert 'tensors of backbone.pth loaded into DenseNetPyramid' in shown
    assert (project.folder / 'work_dirs/detect/iter_2.pth').is_file() or list(
        project.folder.rglob('*.pth')
    )
