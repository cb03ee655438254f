"""The study tool: it reads finished runs back and reports failures; its table is of its runs."""

import csv
import json
import shutil
from pathlib import Path

import pytest
from mmengine.config import Config
from rich.console import Console

from mmsemiloc.commands import study
from tests.study.conftest import make_result
from tests.tools.conftest import ROOT, STEPS, run_tool

CONFIGS = [ROOT / 'configs/digits' / name for name in ('digits_ce.py', 'digits_full.py')]


@pytest.fixture
def runs(quickstart, tmp_path):
    """A copy of the quickstart's runs, which a test may change."""
    return shutil.copytree(quickstart.folder / 'runs', tmp_path / 'runs')


@pytest.mark.slow
def test_finished_runs_are_read_back(runs, tmp_path):
    before = {path: path.stat().st_mtime_ns for path in runs.rglob('*') if path.is_file()}
    stdout, _ = run_tool(
        'study.py',
        *CONFIGS,
        '--seeds',
        3,
        '--split',
        'test',
        '--steps',
        STEPS,
        '--work-dir',
        runs,
        '--csv',
        tmp_path / 'study.csv',
        '--markdown',
        tmp_path / 'study.md',
        '--plot',
        tmp_path / 'study.png',
    )
    assert stdout.count('(read back)') == 2
    assert (tmp_path / 'study.png').read_bytes().startswith(b'\x89PNG')
    assert {path: path.stat().st_mtime_ns for path in runs.rglob('*') if path.is_file()} == before
    rows = {row['name']: row for row in csv.DictReader((tmp_path / 'study.csv').open())}
    for name, row in rows.items():
        saved = json.loads(next(runs.glob(f'{name}-*/seed3/test.json')).read_text())
        assert (
            float(row['accuracy']) == saved['accuracy']
            and float(row['cam_in_box']) == saved['cam_in_box']
        )
    difference = float(rows['digits_full']['accuracy']) - float(rows['digits_ce']['accuracy'])
    assert (
        f'| digits_full − digits_ce | accuracy % | {difference:+.2f} | – | {difference:+.2f} |'
        in (tmp_path / 'study.md').read_text()
    )
    assert (
        int(rows['digits_ce']['steps']) == STEPS and int(rows['digits_ce']['images']) == 32 * STEPS
    )


@pytest.mark.slow
def test_another_split_is_evaluated_without_training_and_a_failure_stops_nothing(runs, tmp_path):
    broken = tmp_path / 'broken.py'
    broken.write_text(
        f"_base_ = '{CONFIGS[0]}'\nmodel = dict(head=dict(type='mmsemiloc.NoSuchHead'))\n"
    )
    trained = next(runs.glob('digits_ce-*/seed3/train.json'))
    before = trained.stat().st_mtime_ns
    stdout, _ = run_tool(
        'study.py',
        broken,
        CONFIGS[0],
        '--seeds',
        3,
        '--steps',
        STEPS,
        '--work-dir',
        runs,
        '--jobs',
        2,
        status=1,
    )
    assert trained.stat().st_mtime_ns == before and trained.with_name('val.json').is_file()
    accuracy = json.loads(trained.with_name('val.json').read_text())['accuracy']
    assert f'digits_ce seed 3: val accuracy {accuracy:.1f} %' in stdout
    failed = stdout.split('FAILED broken seed 3: ')[1]
    assert 'NoSuchHead' in failed and str(next(runs.glob('broken-*/seed3/console.log'))) in failed


@pytest.mark.slow
def test_variants_of_a_config(tmp_path):
    run_tool(
        'study.py',
        CONFIGS[1],
        '--vary',
        'model.head.loss_mel.loss_weight=0,2',
        '--seeds',
        3,
        '--steps',
        STEPS,
        '--work-dir',
        tmp_path / 'runs',
        '--jobs',
        2,
        '--csv',
        tmp_path / 'study.csv',
        '--cfg-options',
        'train_dataloader.dataset.unlabeled.num_images=64',
        'val_dataloader.dataset.num_images=20',
    )
    rows = {row['name']: row for row in csv.DictReader((tmp_path / 'study.csv').open())}
    assert list(rows) == [
        'digits_full loss_mel.loss_weight=0',
        'digits_full loss_mel.loss_weight=2',
    ]
    for weight, row in zip((0, 2), rows.values(), strict=True):
        assert (
            Config.fromfile(Path(row['folder']) / 'config.py').model.head.loss_mel.loss_weight
            == weight
        )


@pytest.mark.slow
def test_a_model_without_maps_has_dashes(tmp_path):
    (tmp_path / 'vit.py').write_text(f"""
_base_ = '{CONFIGS[0]}'
arch = dict(embed_dims=16, num_layers=1, num_heads=2, feedforward_channels=16)
model = dict(
    _delete_=True,
    type='ImageClassifier',
    data_preprocessor=dict(
        _scope_='mmpretrain', num_classes=10, mean=[128] * 3, std=[64] * 3, to_rgb=True),
    backbone=dict(type='VisionTransformer', arch=arch, img_size=32, patch_size=16),
    head=dict(type='VisionTransformerClsHead', num_classes=10, in_channels=16))
""")
    stdout, _ = run_tool(
        'study.py',
        tmp_path / 'vit.py',
        '--seeds',
        0,
        '--steps',
        2,
        '--work-dir',
        tmp_path / 'runs',
        '--csv',
        tmp_path / 'study.csv',
        '--cfg-options',
        'val_dataloader.dataset.num_images=20',
        COLUMNS='80',
    )
    (row,) = csv.DictReader((tmp_path / 'study.csv').open())
    assert 0 <= float(row['accuracy']) <= 100 and row['max_box_acc_v2'] == row['cam_area'] == ''
    assert '–' in stdout and max(map(len, stdout.partition('val split')[2].splitlines())) <= 80


def test_pairs_and_gap_closed(parse, tmp_path):
    names = ['ce', 'fixmatch', 'all']
    results = [
        make_result(name, seed, value + seed)
        for name, value in zip(names, (50.0, 60.0, 90.0), strict=True)
        for seed in range(2)
    ]
    args = parse(
        'study',
        'x.py',
        '--pairs',
        'all:fixmatch',
        '--ceiling',
        'all',
        '--markdown',
        tmp_path / 'study.md',
    )
    console = Console(width=200, record=True)
    study.report(results[::-1], names, args, console)
    text = (tmp_path / 'study.md').read_text()
    assert '| fixmatch | 60.5 ± 0.7 |' in text and '| 25.0 | 0 1 |' in text
    assert '| fixmatch | 10 | 320 | 5 |' in text
    assert (
        '| fixmatch − ce | accuracy % | +10.00 ± 0.00 | [+10.00, +10.00] | +10.00 | +10.00 |'
        in text
    )
    assert (
        '| all − fixmatch | accuracy % | +30.00 ± 0.00 | [+30.00, +30.00] | +30.00 | +30.00 |'
        in text
    )
    assert console.export_text().count('differences by seed') == 1


@pytest.mark.parametrize(
    'arguments, expected',
    [
        (['nowhere.py'], 'no such config file: nowhere.py'),
        ([CONFIGS[0], CONFIGS[0]], 'got twice: digits_ce'),
        ([CONFIGS[0], '--seeds', '1', '1'], 'got twice: 1'),
        ([CONFIGS[0], '--steps', '0'], 'got 0'),
        (
            [CONFIGS[0], '--cfg-options', 'steps=0'],
            'steps must be a whole number of at least 1, got 0',
        ),
        ([CONFIGS[0], '--vary', 'mel.loss_weight=1,2'], 'mel is used only while its file is read'),
        ([*CONFIGS, '--ceiling', 'digits_all'], 'digits_ce, digits_full; got digits_all'),
        (
            [*CONFIGS, '--pairs', 'digits_full:digits_ce', 'full:digits_ce'],
            'digits_ce, digits_full; got full',
        ),
        ([*CONFIGS, '--pairs', 'digits_full'], 'expected NAME:NAME, got digits_full'),
        ([*CONFIGS, '--pairs', 'digits_full:'], 'expected NAME:NAME, got digits_full:'),
        ([ROOT / 'configs/densenet_mel_nbel_loc.py', '--steps', '10'], 'max_iters'),
    ],
)
def test_bad_input_is_one_line(refuse, arguments, expected):
    assert expected in refuse('study', *arguments)


def test_help_has_an_example():
    assert 'example:\n  python tools/study.py' in run_tool('study.py', '--help')[0]
