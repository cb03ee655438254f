import hashlib
import json
import re

import pytest

from mmsemiloc.commands import make_split
from tests.tools.conftest import run_tool


@pytest.fixture
def source(tmp_path):
    """4 classes of 30 images."""
    for c in range(4):
        for i in range(30):
            path = tmp_path / 'train' / f'n0{c}' / f'n0{c}_{i}.JPEG'
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    return tmp_path / 'train'


def lines(file):
    return file.read_text().splitlines()


def test_lists_and_manifest(source, tmp_path):
    out = tmp_path / 'meta'
    stdout, _ = run_tool(
        'make_split.py',
        source,
        '--out',
        out,
        '--labeled',
        8,
        '10%',
        '--unlabeled',
        40,
        'rest',
        '--seed',
        5,
    )
    assert '120 images of 4 classes' in stdout and 'labeled_12.txt' in stdout and '3 to 3' in stdout
    small, large = (lines(out / f'labeled_{n}.txt') for n in (8, 12))
    few, rest = (lines(out / f'unlabeled_{n}.txt') for n in (40, 108))
    assert set(small) < set(large) and set(few) < set(rest) and len(rest) == 108
    assert not {line.split()[0] for line in large} & set(rest)
    assert all(int(line[2]) == int(line.split()[1]) for line in large) and all(
        ' ' not in line for line in rest
    )
    manifest = json.loads((out / 'manifest.json').read_text())
    assert manifest['seed'] == 5 and manifest['files']['labeled_12.txt']['images_per_class'] == [
        3,
        3,
        3,
        3,
    ]
    for name, entry in manifest['files'].items():
        assert entry['sha256'] == hashlib.sha256((out / name).read_bytes()).hexdigest(), name
    assert lines(out / 'classes.txt') == ['n00', 'n01', 'n02', 'n03']


def test_the_lists_train(source, tmp_path):
    """What is written is what the datasets read."""
    from mmpretrain.datasets import CustomDataset

    run_tool('make_split.py', source, '--out', tmp_path / 'meta', '--labeled', 8, '--unlabeled', 40)
    labeled = CustomDataset(
        data_prefix=str(source), ann_file=str(tmp_path / 'meta' / 'labeled_8.txt')
    )
    unlabeled = CustomDataset(
        data_prefix=str(source),
        ann_file=str(tmp_path / 'meta' / 'unlabeled_40.txt'),
        with_label=False,
    )
    assert (
        len(labeled) == 8
        and sorted(labeled.get_gt_labels()) == [0, 0, 1, 1, 2, 2, 3, 3]
        and len(unlabeled) == 40
    )


def test_published_lists_of_file_names(source, tmp_path):
    (tmp_path / '1percent.txt').write_text('n02_7.JPEG\nn00/n00_1.JPEG\n')
    run_tool(
        'make_split.py',
        source,
        '--out',
        tmp_path / 'meta',
        '--labeled-list',
        tmp_path / '1percent.txt',
        '--unlabeled',
        'rest',
    )
    assert lines(tmp_path / 'meta' / 'labeled_2.txt') == ['n00/n00_1.JPEG 0', 'n02/n02_7.JPEG 2']
    assert len(lines(tmp_path / 'meta' / 'unlabeled_118.txt')) == 118


@pytest.mark.parametrize(
    'arguments, expected',
    [
        (
            ['--labeled', '100', '--unlabeled', '21'],
            'cannot draw 100 labelled and 21 unlabelled images from 120',
        ),
        (['--labeled', 'many'], 'got many'),
        (['--labeled', '0'], 'got 0'),
        (['--labeled', '101%'], 'got 101%'),
        (['--seed', '-1'], 'got -1'),
    ],
)
def test_bad_input_is_one_line(refuse, source, tmp_path, arguments, expected):
    assert expected in refuse('make_split', source, '--out', tmp_path / 'meta', *arguments)


@pytest.mark.parametrize(
    'text, expected',
    [
        ('n00_99.JPEG\n', "line 1: 'n00_99.JPEG' names 0 images"),
        ('n00_1.JPEG\nn00/n00_1.JPEG\n', "line 2: 'n00/n00_1.JPEG' comes twice"),
    ],
)
def test_bad_published_lists(refuse, source, tmp_path, text, expected):
    (tmp_path / 'list.txt').write_text(text)
    arguments = ['--labeled-list', tmp_path / 'list.txt', '--unlabeled', 'rest']
    assert expected in refuse('make_split', source, '--out', tmp_path / 'meta', *arguments)


@pytest.mark.parametrize(
    'text, expected',
    [
        ('# published\nn00_1.JPEG\n', 'list.txt, line 1: .*comments'),
        ('n00_1.JPEG\n\nn00\\n00_2.JPEG\n', 'line 3: .*forward slashes'),
        (
            'n00/n00_1.JPEG 0\n',
            'line 1: .*it has a label, but the list is of paths or names of images',
        ),
        ('n00_1.JPEG\n./n00_1.JPEG\n', 'line 2: .*stands in line 1 already'),
        ('\n', 'has no images'),
    ],
)
def test_faults_of_published_lists_name_the_line(refuse, source, tmp_path, text, expected):
    (tmp_path / 'list.txt').write_text(text)
    error = refuse(
        'make_split',
        source,
        '--out',
        tmp_path / 'meta',
        '--unlabeled',
        'rest',
        '--labeled-list',
        tmp_path / 'list.txt',
    )
    assert re.search(expected, error) and not (tmp_path / 'meta' / 'manifest.json').exists()


@pytest.mark.parametrize(
    'arguments, expected',
    [
        (['--labeled', '3', '--unlabeled', '9'], '3 labelled images are fewer than the 4 classes'),
        (['--labeled', '0.1%', '--unlabeled', '9'], '0.1% of 120 images is not a single image'),
        (['--labeled', '120', '--unlabeled', 'rest'], 'cannot draw 120 labelled and 0 unlabelled'),
        ([], 'cannot draw 64000 labelled and 200000 unlabelled images from 120: choose'),
    ],
)
def test_too_few_images_are_one_line(refuse, source, tmp_path, arguments, expected):
    assert expected in refuse('make_split', source, '--out', tmp_path / 'meta', *arguments)


def test_lists_in_the_folder_of_images_would_be_a_class(refuse, source):
    error = refuse('make_split', source, '--out', source / 'meta', '--labeled', '8')
    assert 'where it would be taken for a class' in error


def run_here(parse, *arguments):
    """Run the tool in this process."""
    assert make_split.run(parse('make_split', *arguments)) == 0


def test_faults_of_a_given_list_are_not_written_on(refuse, parse, capsys, tmp_path):
    """Harmless differences are cleaned, and faults are refused."""
    lines = [f'n{i % 2}/{i}.JPEG {i % 2}' for i in range(8)]
    (tmp_path / 'all.txt').write_bytes(b'\xef\xbb\xbf' + '  \r\n'.join([*lines, '', '']).encode())
    meta = tmp_path / 'meta'
    arguments = [tmp_path / 'all.txt', '--out', meta, '--labeled', 4, '--unlabeled', 'rest']
    run_here(parse, *arguments)
    capsys.readouterr()
    written = lines_of(meta / 'labeled_4.txt') + lines_of(meta / 'unlabeled_4.txt')
    assert {line.split()[0] for line in written} == {line.split()[0] for line in lines}
    assert b'\r' not in (meta / 'labeled_4.txt').read_bytes()
    (tmp_path / 'all.txt').write_text('\n'.join(lines).replace('/', '\\'))
    assert 'all.txt, line 1: ' in refuse('make_split', *arguments)


def test_classes_that_a_labelled_list_lacks_are_named(parse, capsys, source, tmp_path):
    (tmp_path / 'list.txt').write_bytes(b'\xef\xbb\xbfn00_1.JPEG\r\n\r\nn02_1.JPEG\r\n')
    run_here(
        parse,
        source,
        '--out',
        tmp_path / 'meta',
        '--unlabeled',
        9,
        '--labeled-list',
        tmp_path / 'list.txt',
    )
    assert (
        "labeled_2.txt has no image of 2 of 4 classes, which cannot be learned: 'n01', 'n03'"
        in capsys.readouterr().out
    )


def lines_of(file):
    return file.read_text(encoding='utf-8').split('\n')[:-1]
