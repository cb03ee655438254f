"""Folders and lists as people have them, through the tools: right numbers, or one line."""

import importlib
import json
import os
import re

import pytest
from PIL import Image

from mmsemiloc.commands import make_split
from mmsemiloc.commands.study import plan_runs
from mmsemiloc.datasets import CustomDataset
from tests.pets import COLOURS, ROOT, Pets, refuse, save_colour

FOREIGN = ('.ipynb_checkpoints', '__MACOSX', '@eaDir', 'lost+found', '$RECYCLE.BIN')


@pytest.fixture
def pets(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Pets(tmp_path)


def accuracy(pets, config='pets'):
    """The last validation accuracy that the log has, in percent."""
    (file,) = (pets.folder / 'work_dirs' / config).glob('*/vis_data/scalars.json')
    return [
        json.loads(line)['accuracy/top1']
        for line in file.read_text().splitlines()
        if 'accuracy/top1' in line
    ][-1]


def convert(folder, ending):
    """Every second image of a folder in another format."""
    for path in sorted(folder.glob('*/*.png'))[::2]:
        Image.open(path).save(path.with_suffix(ending))
        path.unlink()


@pytest.mark.slow
def test_foreign_folders_other_endings_and_another_order_of_classes_give_the_right_accuracy(pets):
    """Each of the three gave a wrong accuracy, or other images, without a word."""
    for name in FOREIGN:
        save_colour(pets.data / 'val' / name / '1.png', 'dog')
        save_colour(pets.data / 'labeled' / 'cat' / name / '1.png', 'dog')
    for part, ending in (('labeled', '.webp'), ('unlabeled', '.tiff'), ('val', '.gif')):
        convert(pets.data / part, ending)
    (pets.data / 'unlabeled' / 'cat' / 'photo.heic').touch()
    # A list whose numbers are those of classes=, as the folders of the validation images must be.
    order = ('ferret', 'cat', 'dog')
    lines = [
        f'{path.relative_to(pets.data / "labeled")} {order.index(path.parts[-2])}'
        for path in sorted((pets.data / 'labeled').glob('*/[0-9].*'))
    ]
    (pets.data / 'list.txt').write_bytes(
        b'\xef\xbb\xbf' + '  \r\n'.join([*lines, '']).encode() + b'\r\n'
    )
    config = pets.config(f"""
train_dataloader = dict(dataset=dict(labeled=dict(
    data_root='data', data_prefix='labeled', ann_file='list.txt', classes={order})))
val_dataloader = test_dataloader = dict(dataset=dict(classes={order}))""")
    stdout, stderr = pets.run('train.py', config)
    assert accuracy(pets, 'own') == 100
    assert (
        '12 labelled images (ferret 4, cat 4, dog 4), 24 unlabelled, 18 for validation'
        in stdout + stderr
    )
    assert '5 hidden or foreign files or folders in data/val are left out' in stdout + stderr
    assert (
        '1 file in data/unlabeled is not an image by its ending and is left out: .heic (1)'
        in stdout + stderr
    )


FAULTS = {
    'a comment': (lambda lines: ['# made by hand', *lines], 'line 1: .*comments'),
    'back slashes': (
        lambda lines: [line.replace('/', '\\') for line in lines],
        'line 1: .*forward slashes',
    ),
    'commas': (
        lambda lines: [line.replace(' ', ',') + ('' if ' ' in line else ',0') for line in lines],
        'line 1: ',
    ),
    'tabs': (lambda lines: [*lines[:2], f'{lines[2].replace(" ", chr(9))}{chr(9)}x'], 'line 3: '),
    'UTF-16': (lambda lines: '\n'.join(lines).encode('utf-16'), 'UTF-16'),
    'a path twice': (
        lambda lines: [*lines, '\n./' + lines[0]],
        'line [0-9]+: .*stands in line 1 already',
    ),
    'another ending': (
        lambda lines: [lines[0], *(line.replace('.png', '') for line in lines[1:])],
        'line 2: ',
    ),
    'a header': (lambda lines: ['image,label', *lines], 'line 1: .*header'),
    'nothing': (lambda lines: [], 'has no images'),
    'a foreign file': (
        lambda lines: [*lines, lines[0].replace('cat/', '__MACOSX/cat/._')],
        '__MACOSX',
    ),
}
LABELS = {
    'no label': (lambda lines: [*lines[:3], lines[3].split()[0]], 'line 4: .*no label'),
    'a name as label': (
        lambda lines: [line.split()[0] + ' cat' for line in lines],
        "line 1: .*'cat' is not a whole",
    ),
    'negative': (
        lambda lines: [line.split()[0] + ' -1' for line in lines],
        "line 1: .*'-1' is not a whole",
    ),
    'from 1': (
        lambda lines: [f'{line.split()[0]} {int(line.split()[1]) + 1}' for line in lines],
        'has label 3, but there are 3 classes.*count from 1',
    ),
    'too high': (
        lambda lines: [*lines[:-1], lines[-1].split()[0] + ' 7'],
        'line 12|18: .*label 7, but there are 3 classes',
    ),
    'several': (lambda lines: [f'{line} 2' for line in lines], 'line 1: .*several labels'),
}


@pytest.mark.parametrize('part', ['labeled', 'unlabeled', 'val'])
@pytest.mark.parametrize('fault', [*FAULTS, *LABELS, 'labels of unlabelled images'])
def test_faults_of_lists_are_one_line_before_training(pets, monkeypatch, capsys, part, fault):
    if (
        part == 'unlabeled'
        and fault in LABELS
        or part != 'unlabeled'
        and fault.startswith('labels')
    ):
        pytest.skip('lists of this kind have no such fault')
    change, match = {
        **FAULTS,
        **LABELS,
        'labels of unlabelled images': (
            lambda lines: [f'{line} 0' for line in lines],
            'line 1: .*has a label, but the list is of unlabelled',
        ),
    }[fault]
    options = pets.lists(part, change)
    error = refuse(
        monkeypatch,
        capsys,
        'train',
        'pets.py',
        '--cfg-options',
        *options,
        'train_dataloader.dataset.faults.action=skip',
        'train_dataloader.dataset.faults.budget=100',
    )
    assert f'{part}.txt' in error
    assert re.search(match, error), error


@pytest.mark.parametrize('part', ['labeled', 'val'])
@pytest.mark.parametrize(
    'change, match',
    [
        (lambda folder: (folder / 'Cat').mkdir(), "'Cat' and 'cat'"),
        (
            lambda folder: [(folder / name).mkdir() for name in ('caf\u00e9', 'cafe\u0301')],
            r'caf\\xe9',
        ),
        (lambda folder: os.rename(folder, f'{folder}-elsewhere'), 'no such folder: data/'),
        (
            lambda folder: (os.rename(folder, f'{folder}-elsewhere'), folder.touch()),
            'is a file, not a folder',
        ),
        (
            lambda folder: (os.rename(folder, f'{folder}-elsewhere'), folder.mkdir()),
            'no folder for each class',
        ),
    ],
)
def test_faults_of_folders_are_one_line(pets, monkeypatch, capsys, part, change, match):
    change(pets.data / part)
    assert re.search(match, refuse(monkeypatch, capsys, 'train', 'pets.py'))


@pytest.mark.parametrize(
    'classes, match',
    [
        (('cat', 'dog', 'bird'), "class folders that are not in classes: 'ferret'"),
        (('Cat', 'Dog', 'Ferret'), 'only in case'),
        (('cat', 'dog', 'ferret', ''), "has the name ''"),
        (('cat', 'dog'), "not in classes: 'ferret'"),
    ],
)
def test_classes_that_are_not_the_folders_are_one_line(pets, monkeypatch, capsys, classes, match):
    config = pets.config(f'train_dataloader = dict(dataset=dict(labeled=dict(classes={classes})))')
    assert match in refuse(monkeypatch, capsys, 'train', config)


@pytest.mark.parametrize(
    'label', [lambda old: old + 1, lambda old: (old + 1) % 3, lambda old: 2 - old]
)
@pytest.mark.parametrize('part', ['labeled', 'val'])
def test_lists_that_number_folders_in_another_way_are_one_line(
    pets, monkeypatch, capsys, part, label
):
    """Both lists are sound, and so are their numbers, but not together."""

    def change(lines):
        return [f'{line.split()[0]} {label(int(line.split()[1]))}' for line in lines]

    other = dict(labeled='val', val='labeled')[part]
    options = [*pets.lists(part, change, classes=False), *pets.lists(other, classes=False)]
    error = refuse(monkeypatch, capsys, 'train', 'pets.py', '--cfg-options', *options)
    # Which list is meant is not known: both labels of a folder are shown, or one out of range.
    assert re.search(
        r'images in (cat|dog)/ have label \d, but label \d in the labelled set|has label 3', error
    ), error


@pytest.mark.parametrize(
    'name, match',
    [
        ('cat/0.jpg', 'cat/0.jpg is not there, but .*cat/0.png is'),
        ('cat/0.PNG', 'but .*cat/0.png is'),
        ('Cat/0.png', 'but .*/cat is'),
        ('cat/99.png', 'cat/99.png is not there'),
    ],
)
@pytest.mark.parametrize('part', ['labeled', 'unlabeled', 'val'])
def test_listed_images_that_are_not_there_are_one_line(
    pets, monkeypatch, capsys, part, name, match
):
    def change(lines):
        return [name + lines[0][len('cat/0.png') :], *lines[1:]]

    error = refuse(
        monkeypatch, capsys, 'train', 'pets.py', '--cfg-options', *pets.lists(part, change)
    )
    assert re.search(f'{part}.txt, line 1: .*{match}', error), error


def test_make_split_numbers_as_training_does_and_says_what_it_read_back(pets, monkeypatch, capsys):
    source = pets.data / 'unlabeled'
    for name in FOREIGN:
        save_colour(source / name / '1.png', 'dog')
    save_colour(source / 'dog' / 'patient' / '1.png', 'dog')
    for folder in (source, *(path for path in source.rglob('*') if path.is_dir())):
        os.utime(folder, ns=(10**18, 10**18))
    monkeypatch.syspath_prepend(ROOT / 'tools')
    arguments = [source, '--out', pets.data / 'meta', '--labeled', 12, '--unlabeled', 'rest']
    parsed = (
        importlib.import_module('make_split').make_parser().parse_args(list(map(str, arguments)))
    )

    def run():
        assert make_split.run(parsed) == 0
        return capsys.readouterr().out

    first = run()
    assert (
        '5 hidden or foreign' in first
        and 'read back' not in first
        and '25 images of 3 classes' in first
    )
    dataset = CustomDataset(data_prefix=str(source))
    assert (
        (pets.data / 'meta' / 'classes.txt').read_text().split()
        == list(dataset.metainfo['classes'])
        == list(COLOURS)
    )
    for line in (pets.data / 'meta' / 'labeled_12.txt').read_text().splitlines():
        path, label = line.split()
        assert list(COLOURS)[int(label)] == path.partition('/')[0]

    again = run()
    assert f'The listing of {source} was read back from {pets.data}/meta/listing.txt' in again
    save_colour(source / 'dog' / 'patient' / '2.png', 'dog')
    changed = run()
    assert 'read back' not in changed and '26 images of 3 classes' in changed


@pytest.mark.slow
def test_a_study_does_not_read_back_results_of_other_images(pets, monkeypatch):
    arguments = [
        'pets.py',
        '--seeds',
        0,
        '--work-dir',
        pets.folder / 'study',
        '--cfg-options',
        'max_epochs=2',
    ]
    first, _ = pets.run('study.py', *arguments)
    assert 'read back' not in first
    monkeypatch.syspath_prepend(ROOT / 'tools')
    parser = importlib.import_module('study').make_parser()

    def read_back():
        ((run,),) = plan_runs(parser.parse_args(list(map(str, arguments)))).values()
        return run.result('val') is not None

    assert read_back()
    image = pets.data / 'labeled' / 'cat' / '0.png'
    old = image.read_bytes(), image.stat()
    save_colour(image, 'cat', seed=999)
    assert not read_back()
    image.write_bytes(old[0])
    os.utime(image, ns=(old[1].st_atime_ns, old[1].st_mtime_ns))
    assert read_back()
    save_colour(pets.data / 'unlabeled' / 'cat' / 'new.png', 'cat')
    assert not read_back()
