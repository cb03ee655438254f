"""The hook writes what an independent evaluation gives, goes on after a resume, and leaves the
training as it is.
"""

import contextlib
import csv
import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from mmsemiloc.datasets import DigitScenes
from mmsemiloc.engine import CAMEvolutionHook
from mmsemiloc.engine.hooks import cam_evolution_hook
from mmsemiloc.study.evaluate import evaluate, summarize
from mmsemiloc.visualization.pictures import HEIGHT, TITLE
from tests.configs.test_configs import force_terms, tiny_digits

COLUMN = HEIGHT  # digits are as wide as high


def run(
    tmp_path,
    name='run',
    steps=4,
    hook=dict(interval=2),
    epochs=None,
    random_images=False,
    **options,
):
    """A short run of the full loss with the hook (None: without it)."""
    cfg = force_terms(
        tiny_digits(
            'digits_full',
            tmp_path,
            steps=steps,
            experiment_name=f'{tmp_path.name}{name}',
            **options,
        )
    )
    cfg.work_dir = str(tmp_path / name)
    cfg.train_dataloader.batch_size = cfg.train_dataloader.sampler.batch_size = 16
    cfg.visualizer.vis_backends = [dict(type='LocalVisBackend')]
    if epochs:
        cfg.train_cfg = dict(by_epoch=True, max_epochs=epochs, val_interval=epochs)
        cfg.default_hooks.checkpoint.update(by_epoch=True, interval=1)
    if hook is not None:
        dataset = dict(cfg.train_dataloader.dataset.labeled) if random_images else None
        cfg.custom_hooks.append(
            dict(
                type='mmsemiloc.CAMEvolutionHook',
                by_epoch=bool(epochs),
                num_images=20,
                num_strips=2,
                batch_size=8,
                dataset=dataset,
                **hook,
            )
        )
    runner = Runner.from_cfg(cfg)
    runner.train()
    return runner


def rows(folder):
    with (folder / 'cam_evolution.csv').open() as file:
        return list(csv.DictReader(file))


def strip(folder, index=0):
    return cv2.imread(str(folder / f'cam_evolution/{index:03d}.png'))


def weights(runner):
    return {key: value.clone() for key, value in runner.model.state_dict().items()}


def identical(one, other):
    return all(torch.equal(value, other[key]) for key, value in one.items())


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    """A run of 6 steps with a row every 2, and checkpoints as often."""
    folder = tmp_path_factory.mktemp('whole')
    init_default_scope('mmpretrain')
    return run(
        folder,
        steps=6,
        **{'default_hooks.checkpoint.interval': 2, 'default_hooks.checkpoint.max_keep_ckpts': -1},
    )


def folder_of(runner):
    return Path(runner.work_dir)


@pytest.mark.slow
def test_rows_are_what_an_evaluation_of_the_model_gives(whole):
    found = rows(folder_of(whole))
    assert [row['iter'] for row in found] == ['0', '2', '4', '6'] and {
        row['epoch'] for row in found
    } == {'0'}
    expected = summarize(evaluate(whole.model.eval(), whole.val_dataloader))
    for name, key in (
        ('accuracy', 'accuracy'),
        ('MaxBoxAccV2', 'max_box_acc_v2'),
        ('in_box', 'cam_in_box'),
        ('area', 'cam_area'),
    ):
        assert float(found[-1][name]) == pytest.approx(expected[key], rel=1e-4), name
    assert len({row['in_box'] for row in found}) == 4


@pytest.mark.slow
def test_the_visualizer_gets_them(whole):
    [file] = folder_of(whole).glob('*/vis_data/scalars.json')
    lines = [
        line
        for line in map(json.loads, file.read_text().splitlines())
        if 'cam_evolution/area' in line
    ]
    assert [line['step'] for line in lines] == [0, 2, 4, 6]
    for line, row in zip(lines, rows(folder_of(whole)), strict=True):
        for name in ('accuracy', 'MaxBoxAccV2', 'in_box', 'area'):
            assert line[f'cam_evolution/{name}'] == pytest.approx(float(row[name]))


@pytest.mark.slow
def test_strips_have_a_column_a_row(whole):
    assert sorted(path.name for path in (folder_of(whole) / 'cam_evolution').iterdir()) == [
        '000.png',
        '001.png',
    ]
    picture = strip(folder_of(whole))
    assert picture.shape == (TITLE + HEIGHT, 5 * COLUMN, 3)
    columns = np.split(picture, 5, axis=1)
    assert all(not np.array_equal(a, b) for a, b in zip(columns, columns[1:], strict=False))


@pytest.mark.slow
def test_a_resumed_run_goes_on_with_rows_and_strips(whole, tmp_path):
    """A run to step 6 is taken up again at step 2: the rows after it are written once more, and
    none twice.
    """
    options = {
        'default_hooks.checkpoint.interval': 2,
        'default_hooks.checkpoint.max_keep_ckpts': -1,
    }
    shutil.copytree(whole.work_dir, tmp_path / 'run')
    run(tmp_path, steps=6, resume=True, load_from=str(tmp_path / 'run/iter_2.pth'), **options)
    assert [row['iter'] for row in rows(tmp_path / 'run')] == ['0', '2', '4', '6']
    assert rows(tmp_path / 'run')[:2] == rows(folder_of(whole))[:2]
    assert strip(tmp_path / 'run').shape == strip(folder_of(whole)).shape
    np.testing.assert_array_equal(
        strip(tmp_path / 'run')[:, : 3 * COLUMN], strip(folder_of(whole))[:, : 3 * COLUMN]
    )


@pytest.mark.slow
def test_a_new_run_in_the_same_folder_begins_anew(tmp_path):
    for steps in (4, 2):
        run(tmp_path, steps=steps)
    assert [row['iter'] for row in rows(tmp_path / 'run')] == ['0', '2'] and strip(
        tmp_path / 'run'
    ).shape[1] == 3 * COLUMN


@pytest.mark.slow
def test_epochs_are_counted(tmp_path):
    run(tmp_path, steps=3, epochs=4)
    assert [(row['epoch'], row['iter']) for row in rows(tmp_path / 'run')] == [
        ('0', '0'),
        ('2', '6'),
        ('4', '12'),
    ]


@pytest.mark.slow
def test_the_run_is_bit_identical_to_one_without_the_hook(tmp_path):
    plain = weights(run(tmp_path, 'plain', hook=None))
    assert identical(plain, weights(run(tmp_path, 'hook', hook=dict(interval=1))))
    assert identical(
        plain, weights(run(tmp_path, 'random', hook=dict(interval=1), random_images=True))
    )


@pytest.mark.slow
def test_the_comparison_notices(tmp_path, monkeypatch):
    """Negative control: without the protection the weights are others."""
    plain = weights(run(tmp_path, 'plain', hook=None))
    monkeypatch.setattr(cam_evolution_hook, 'evaluating', lambda model: contextlib.nullcontext())
    assert not identical(
        plain, weights(run(tmp_path, 'hook', hook=dict(interval=1), random_images=True))
    )


def test_modules_keep_their_own_mode():
    model = torch.nn.Sequential(torch.nn.BatchNorm1d(2), torch.nn.Dropout()).train()
    model[0].eval()  # frozen statistics
    with cam_evolution_hook.evaluating(torch.nn.Sequential(model, torch.nn.Linear(2, 2))):
        assert not model[1].training
    assert model.training and model[1].training and not model[0].training


@pytest.mark.slow
def test_other_ranks_do_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(cam_evolution_hook, 'is_main_process', lambda: False)
    run(tmp_path)
    assert not list((tmp_path / 'run').glob('cam_evolution*'))


@pytest.mark.slow
def test_images_without_boxes(tmp_path):
    run(
        tmp_path, steps=2, hook=dict(interval=2), random_images=True
    )  # the training pipeline packs no boxes
    last = rows(tmp_path / 'run')[-1]
    assert last['MaxBoxAccV2'] == last['in_box'] == '' and float(last['area']) > 0
    assert strip(tmp_path / 'run').shape[1] == 3 * COLUMN


@pytest.mark.slow
def test_what_cannot_work_is_said_before_training(tmp_path):
    with pytest.raises(ValueError, match='counts iterations; set by_epoch=False'):
        cfg = tiny_digits('digits_ce', tmp_path)
        cfg.custom_hooks.append(dict(type='mmsemiloc.CAMEvolutionHook'))
        Runner.from_cfg(cfg).train()
    with pytest.raises(ValueError, match='no images: the config has no val_dataloader'):
        cfg = tiny_digits('digits_ce', tmp_path)
        cfg.custom_hooks.append(dict(type='mmsemiloc.CAMEvolutionHook', by_epoch=False))
        cfg.val_dataloader = cfg.val_cfg = cfg.val_evaluator = None
        Runner.from_cfg(cfg).train()


@pytest.mark.parametrize(
    'kwargs', [dict(interval=0), dict(num_images=0), dict(batch_size=0), dict(num_strips=-1)]
)
def test_bad_input(kwargs):
    with pytest.raises(ValueError, match=f'got .*{next(iter(kwargs.values()))}'):
        CAMEvolutionHook(**kwargs)


# --- which images


def hook_with(dataset, **kwargs):
    """A hook that has read its images of a dataset."""
    hook = CAMEvolutionHook(by_epoch=False, **kwargs)
    hook._read(dataset)
    return hook


def test_images_are_of_all_classes_in_a_dataset_sorted_by_class():
    scenes = DigitScenes(num_images=50, pipeline=[dict(type='PackInputs')])
    scenes = scenes.get_subset(sorted(range(50), key=lambda i: i % 10))
    hook = hook_with(scenes, num_images=20, num_strips=5)
    labels = [int(image['data_samples'].gt_label) for image in hook._images]
    assert np.bincount(labels).tolist() == [2] * 10 and len({labels[i] for i in hook._drawn}) == 5
    again, other = hook_with(scenes, num_images=20), hook_with(scenes, num_images=20, seed=1)
    pixels = [
        torch.stack([image['inputs'] for image in each._images]) for each in (hook, again, other)
    ]
    assert torch.equal(pixels[0], pixels[1]) and not torch.equal(pixels[0], pixels[2])


def test_grey_images_are_drawn(tmp_path):
    """Of one channel, as a pipeline with color_type='grayscale' gives them."""
    grey = [lambda results: {**results, 'img': results['img'][..., :1]}, dict(type='PackInputs')]
    hook = hook_with(DigitScenes(num_images=3, pipeline=grey), num_strips=2)
    hook._strips, hook._rows = tmp_path, []
    hook._draw(0, hook._images[0], np.ones((32, 32)), 'iter 0')
    assert cv2.imread(str(tmp_path / '000.png')).shape == (TITLE + HEIGHT, 2 * COLUMN, 3)


def test_what_cannot_be_scored_is_named():
    apart = DigitScenes(
        num_images=3,
        pipeline=[
            dict(type='ResizeEdge', scale=40),
            dict(type='PackInputs', algorithm_keys=('gt_bboxes',)),
        ],
    )
    with pytest.raises(
        ValueError, match='transform ResizeEdge moves the pixels of CAMEvolutionHook image 0 of 3'
    ):
        hook_with(apart)

    def forget(results):
        results.pop('gt_label')
        return results

    with pytest.raises(
        ValueError, match='image 0 has no label, which is needed to measure accuracy'
    ):
        hook_with(DigitScenes(num_images=3, pipeline=[forget, dict(type='PackInputs')]))
