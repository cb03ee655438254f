import csv

import cv2
import pytest
import torch
from mmengine.config import Config
from PIL import Image

from mmsemiloc.commands import predict
from mmsemiloc.datasets import DigitScenes
from mmsemiloc.registry import MODELS
from tests.tools.conftest import ROOT, run_tool

CONFIG = ROOT / 'configs/digits/digits_full.py'


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    """Random weights, with names of the classes as MMEngine saves them."""
    torch.manual_seed(0)
    model = MODELS.build(Config.fromfile(CONFIG).model)
    path = tmp_path_factory.mktemp('predict') / 'digits.pth'
    meta = dict(dataset_meta=dict(classes=tuple(f'digit[{i}]' for i in range(10))))
    torch.save(dict(state_dict=model.state_dict(), meta=meta), path)
    return path


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / 'photos'
    folder.mkdir()
    for i, scene in enumerate(DigitScenes('test', num_images=3)):
        cv2.imwrite(str(folder / f'{i}.png'), scene['img'])
    return folder


def rows_of(folder):
    with (folder / 'predictions.csv').open() as file:
        return list(csv.DictReader(file))


def test_table_rows_and_pictures(checkpoint, photos, tmp_path):
    (photos / '1a.jpg').write_bytes(b'no image')
    out = tmp_path / 'out'
    stdout, stderr = run_tool(
        'predict.py',
        CONFIG,
        checkpoint,
        photos,
        photos / 'nowhere.png',
        '--out',
        out,
        '--topk',
        2,
        '--batch-size',
        2,
        status=1,
    )
    rows = rows_of(out)
    assert [row['image'] for row in rows] == [str(photos / f'{i}.png') for i in range(3)]
    for row in rows:
        assert (
            row['class_1'].startswith('digit[')
            and f'{row["class_1"]} {100 * float(row["confidence_1"]):.1f}' in stdout
        )
        assert float(row['confidence_1']) >= float(row['confidence_2']) and 'class_3' not in row
        assert (
            0 <= int(row['x1']) < int(row['x2']) <= 32
            and 0 <= int(row['y1']) < int(row['y2']) <= 32
        )
        assert Image.open(out / row['picture']).size == (400, 400)
    assert (
        f'cannot read {photos / "1a.jpg"}: ' in stderr
        and f'cannot read {photos / "nowhere.png"}: FileNotFound' in stderr
    )


def test_exit_code_is_0_without_faults_and_a_higher_threshold_gives_smaller_boxes(
    checkpoint, photos, tmp_path, parse
):
    areas = []
    for threshold in ('0', '0.9'):
        args = parse(
            'predict',
            CONFIG,
            checkpoint,
            photos / '0.png',
            '--out',
            tmp_path / 'out',
            '--threshold',
            threshold,
        )
        assert predict.run(args) == 0
        (row,) = rows_of(tmp_path / 'out')
        areas.append((int(row['x2']) - int(row['x1'])) * (int(row['y2']) - int(row['y1'])))
    assert areas[0] > areas[1]


@pytest.mark.parametrize(
    'arguments, message',
    [
        (['nowhere.py', 'CHECKPOINT', 'PHOTOS'], 'no such config file: nowhere.py'),
        ([CONFIG, 'nowhere.pth', 'PHOTOS'], 'no such checkpoint: nowhere.pth'),
        ([CONFIG, 'CHECKPOINT', 'EMPTY'], 'no image in '),
        ([CONFIG, 'CHECKPOINT', 'PHOTOS', '--threshold', '1'], 'from 0 to below 1, got 1'),
        ([CONFIG, 'CHECKPOINT', 'PHOTOS', '--topk', '0'], 'at least 1, got 0'),
        (
            [CONFIG, 'CHECKPOINT', 'PHOTOS', '--cfg-options', 'test_dataloader.dataset=None'],
            'no test_dataloader.dataset.pipeline',
        ),
    ],
)
def test_bad_input_is_one_line(arguments, message, refuse, checkpoint, photos, tmp_path):
    (tmp_path / 'empty').mkdir()
    names = dict(CHECKPOINT=checkpoint, PHOTOS=photos, EMPTY=tmp_path / 'empty')
    assert message in refuse(
        'predict',
        *(names.get(argument, argument) for argument in arguments),
        '--out',
        tmp_path / 'out',
    )
    assert not (tmp_path / 'out').exists()


def test_help_has_an_example():
    assert 'example:\n  python tools/predict.py' in run_tool('predict.py', '--help')[0]
