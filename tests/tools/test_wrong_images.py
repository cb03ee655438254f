"""Images of other formats, depths and sizes through the tools: the right class, or one line that
names the file."""

import csv
import re
import shutil

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from tests.pets import COLOURS, Pets, refuse, save_colour

BOXES = """
boxed = [
    dict(type='LoadImageFromFile'),
    dict(type='mmsemiloc.LoadLocalizationBoxes', ann_dir='data/boxes'),
    dict(type='RESIZE', scale=32),
    dict(type='PackInputs', algorithm_keys=('gt_bboxes', ))]
val_dataloader = test_dataloader = dict(dataset=dict(pipeline=boxed))
model = dict(head=dict(predict_cam=True))
test_evaluator = [dict(type='Accuracy', topk=1), dict(type='mmsemiloc.CAMLocalization')]
"""
BOX = (
    '<annotation><object><bndbox><xmin>4</xmin><ymin>4</ymin><xmax>30</xmax><ymax>30</ymax>'
    '</bndbox></object></annotation>'
)


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """Pets with a checkpoint of three epochs."""
    pets = Pets(tmp_path_factory.mktemp('trained'))
    pets.run('train.py', 'pets.py')
    return pets


@pytest.fixture
def pets(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Pets(tmp_path)


CHECKPOINT = 'work_dirs/pets/epoch_3.pth'


def colour(kind, size=(40, 48)):
    """Pixels (H, W, 3) in the colour of a class, RGB."""
    noise = np.random.default_rng(1).normal(0, 20, (*size, 3))
    return np.clip(COLOURS[kind] + noise, 0, 255).astype(np.uint8)


def rows_of(folder):
    with (folder / 'predictions.csv').open() as file:
        return list(csv.DictReader(file))


def write_photos(folder):
    """Files by name with the class that a person sees."""
    folder.mkdir()
    for number, ending in enumerate(
        (
            'jpg',
            'jpeg',
            'jfif',
            'JPG',
            'png',
            'ppm',
            'bmp',
            'dib',
            'tif',
            'TIFF',
            'webp',
            'gif',
            'tga',
        )
    ):
        kind = list(COLOURS)[number % 3]
        Image.fromarray(colour(kind)).save(
            folder / f'{kind} {number}.{ending}',
            **(dict(format='JPEG') if ending == 'jfif' else {}),
        )
    for kind, other in zip(COLOURS, ['dog', 'ferret', 'cat'], strict=True):
        # Where it is transparent, another class hides; the background is white.
        pale = np.dstack([colour(kind), np.full((40, 48), 255, np.uint8)])
        pale[::2, :, :3], pale[::2, :, 3] = colour(other)[::2], 0
        Image.fromarray(pale).save(folder / f'{kind} pale.png')
        deep = colour(kind)[..., ::-1].astype(np.uint16) * 257
        cv2.imwrite(str(folder / f'{kind} deep.png'), deep)
        tifffile.imwrite(
            folder / f'{kind} float.tif', colour(kind).astype(np.float32), photometric='rgb'
        )
        tifffile.imwrite(
            folder / f'{kind} share.tif', colour(kind).astype(np.float32) / 255, photometric='rgb'
        )
    return {path.name: path.name.split()[0] for path in folder.iterdir()}


@pytest.mark.slow
def test_photos_of_all_formats_are_what_a_person_sees(trained):
    folder = trained.folder / 'photos'
    seen = write_photos(folder)
    (folder / 'iphone.HEIC').write_bytes(b'photo'), (folder / 'notes.txt').write_text('none')
    stdout, _ = trained.run(
        'predict.py', 'pets.py', CHECKPOINT, 'photos', '--out', 'photos/seen', '--pictures', 2
    )
    rows = rows_of(folder / 'seen')
    assert {row['image'].rpartition('/')[2]: row['class_1'] for row in rows} == seen
    assert '.heic (1)' in stdout and '.txt (1)' in stdout
    assert [bool(row['picture']) for row in rows] == [True] * 2 + [False] * (len(rows) - 2)
    assert len(list((folder / 'seen').glob('*.png'))) == 2
    assert (
        f'the first 20 of {len(rows)} images' in stdout
        and f'{len(rows) - 20} more images' in stdout
    )

    # A second run does not take its own pictures.
    stdout, _ = trained.run('predict.py', 'pets.py', CHECKPOINT, 'photos', '--out', 'photos/seen')
    assert (
        len(rows_of(folder / 'seen')) == len(seen) and '2 images in photos/seen left out' in stdout
    )


@pytest.mark.slow
def test_what_is_no_picture_is_named(trained):
    folder = trained.folder / 'odd'
    folder.mkdir()
    cv2.imwrite(str(folder / '12 in 16.png'), colour('cat')[..., ::-1].astype(np.uint16) * 16)
    tifffile.imwrite(folder / 'large.tif', colour('cat').astype(np.float32) * 9, photometric='rgb')
    tifffile.imwrite(folder / 'nan.tif', np.full((40, 48), np.nan, np.float32))
    tifffile.imwrite(
        folder / 'bands.tif',
        np.dstack([colour('cat')] * 2),
        photometric='rgb',
        planarconfig='contig',
    )
    Image.new('RGB', (1, 100000)).save(folder / 'line.png')
    _, stderr = trained.run(
        'predict.py', 'pets.py', CHECKPOINT, 'odd', '--out', 'odd/seen', status=1
    )
    expected = {
        '12 in 16.png': 'values of 16 bits, of which the largest is 4',
        'large.tif': 'floats up to ',
        'nan.tif': 'not finite',
        'bands.tif': '6 channels',
        'line.png': '1 x 100000 pixels: longer than',
    }
    for name, words in expected.items():
        assert len(re.findall(f'cannot read odd/{name}: .*{words}', stderr)) == 1, stderr
    assert rows_of(folder / 'seen') == []
    options = ['--cfg-options', 'test_dataloader.dataset.pipeline.0.bits=12']
    trained.run(
        'predict.py', 'pets.py', CHECKPOINT, 'odd/12 in 16.png', '--out', 'stated', *options
    )
    (row,) = rows_of(trained.folder / 'stated')
    assert row['class_1'] == 'cat'


@pytest.mark.slow
def test_a_validation_set_of_such_images_is_measured_right(trained):
    """Their files are read by the same transform in test.py, and in validation."""
    folder = trained.folder / 'data/mixed'
    seen = write_photos(trained.folder / 'mixed')
    for name, kind in seen.items():
        (folder / kind).mkdir(parents=True, exist_ok=True)
        shutil.copy(trained.folder / 'mixed' / name, folder / kind / name)
    stdout, stderr = trained.run(
        'test.py',
        'pets.py',
        CHECKPOINT,
        '--cfg-options',
        'test_dataloader.dataset.data_root=data/mixed',
    )
    assert 'accuracy/top1: 100.0' in stdout + stderr


@pytest.mark.slow
def test_some_images_are_of_all_classes(trained):
    """In folders of classes the first 6 images would be cats alone."""
    stdout, _ = trained.run(
        'analyze_cam.py',
        'pets.py',
        CHECKPOINT,
        '--num-images',
        6,
        '--strips',
        3,
        '--out',
        'cams',
        '--html',
    )
    page = (trained.folder / 'cams/report.html').read_text()
    names = re.findall(r'<img alt="image (\d+), class (\w+)"', page)
    assert sorted(kind for _, kind in names) == sorted(COLOURS)
    assert all(list(COLOURS)[int(number) // 6] == kind for number, kind in names)


@pytest.mark.slow
@pytest.mark.parametrize('resize', ['ResizeEdge', 'RandomResizedCrop'])
def test_boxes_that_do_not_move_are_refused(trained, resize, monkeypatch, capsys):
    monkeypatch.chdir(trained.folder)
    for i in range(6):
        (trained.data / 'boxes').mkdir(exist_ok=True)
        (trained.data / 'boxes' / f'{i}.xml').write_text(BOX)
    config = trained.config(BOXES.replace('RESIZE', resize), resize.lower())
    for tool, options in (('test', []), ('analyze_cam', ['--out', 'boxes', '--split', 'val'])):
        line = refuse(monkeypatch, capsys, tool, config, CHECKPOINT, *options)
        assert re.match(
            rf'transform {resize} moves the pixels of (test|validation) image 0 of 18 \(.*png\) '
            "without their gt_bboxes: mmcv's Resize",
            line,
        ), line
    config = trained.config(
        BOXES.replace("'RESIZE', scale=32", "'Resize', scale=(32, 32)"), 'sound'
    )
    trained.run('test.py', config, CHECKPOINT)


def test_a_transform_that_fails_is_no_fault_of_the_image(pets, monkeypatch, capsys):
    config = pets.config("""
grey = [dict(type='LoadImageFromFile', color_type='grayscale'),
        dict(type='RandomApply', prob=1e-6, transforms=[dict(type='Contrast', magnitude=0.5)]),
        dict(type='PackInputs')]
train_dataloader = dict(dataset=dict(
    unlabeled=dict(pipeline=grey), faults=dict(action='skip', budget=100)))
""")
    line = refuse(monkeypatch, capsys, 'train', config)
    assert re.match(
        r'transform Contrast fails on unlabelled image 0 of 24 \(.*png\): error: OpenCV', line
    ), line


@pytest.mark.parametrize(
    'place, kind',
    [
        ('labeled/cat/0.png', 'labelled image 0 of 12'),
        ('unlabeled/cat/0.png', 'unlabelled image 0 of 24'),
        ('val/cat/0.png', 'validation image 0 of 18'),
    ],
)
def test_a_broken_first_image_is_one_line(pets, monkeypatch, capsys, place, kind):
    (pets.data / place).write_bytes(b'no image')
    line = refuse(monkeypatch, capsys, 'train', 'pets.py')
    assert (
        line.startswith(f'cannot read {kind} (') and f'{place}): no image of a known format' in line
    ), line


@pytest.mark.slow
@pytest.mark.parametrize('skip', [False, True])
def test_a_broken_validation_image_follows_the_policy_of_training(pets, skip):
    (pets.data / 'val/dog/3.png').write_bytes((pets.data / 'val/dog/3.png').read_bytes()[:500])
    options = [
        'max_epochs=1',
        'param_scheduler=[]',
        'custom_hooks=[]',
        *(
            [
                'train_dataloader.dataset.faults.action=skip',
                'train_dataloader.dataset.faults.budget=1',
            ]
            if skip
            else []
        ),
    ]
    config = pets.config("""
model = dict(head=dict(loss_nbel=None, loss_locality=None))
""")
    stdout, stderr = pets.run(
        'train.py', config, '--cfg-options', *options, status=0 if skip else 2
    )
    lines = [
        line
        for line in (stdout + stderr).splitlines()
        if 'cannot read validation image 9 of 18' in line
    ]
    if skip:
        assert any('the next image takes its place (1 of 1 tolerated)' in line for line in lines)
    else:
        assert any(line.startswith('train.py: error: ') for line in lines), stderr


def test_images_that_are_too_large_or_long(pets, monkeypatch, capsys):
    Image.new('RGB', (1, 10000)).save(pets.data / 'labeled/cat/0.png')
    assert '1 x 10000 pixels: longer than' in refuse(monkeypatch, capsys, 'train', 'pets.py')
    save_colour(pets.data / 'labeled/cat/0.png', 'cat')
    config = pets.config(
        'train_dataloader = '
        "dict(dataset=dict(labeled=dict(pipeline=[dict(type='LoadImageFromFile', max_pixels=1000), "
        "dict(type='PackInputs')])))"
    )
    assert '48 x 40 pixels are more than LoadImageFromFile(max_pixels=1000)' in refuse(
        monkeypatch, capsys, 'train', config
    )
