"""Lists whose numbers disagree, as the names of folders show."""

import random

import pytest

from mmsemiloc.datasets import CustomDataset
from mmsemiloc.datasets.checks.same_folders import (
    check_folder_names,
    check_same_folders,
    folder_classes,
)

CLASSES = ('cat', 'dog', 'ferret')
RIGHT = [(f'{name}/{i}.jpg', label) for label, name in enumerate(CLASSES) for i in range(4)]


@pytest.fixture
def make(tmp_path):
    """A function that lists images with labels."""

    def build(pairs, name='labeled', prefix='', **kwargs):
        (tmp_path / f'{name}.txt').write_text(''.join(f'{path} {label}\n' for path, label in pairs))
        return CustomDataset(
            data_root=str(tmp_path),
            data_prefix=prefix,
            ann_file=f'{name}.txt',
            **{'serialize_data': False, **kwargs},
        )

    return build


@pytest.mark.parametrize(
    'paths, labels, expected',
    [
        (['cat/1.jpg', 'dog/1.jpg'], [0, 1], dict(cat=0, dog=1)),
        (
            ['train/cat/1.jpg', 'train/dog/x/1.jpg', 'train/dog/y/1.jpg'],
            [0, 1, 1],
            dict(cat=0, dog=1),
        ),
        (['1.jpg', '2.jpg'], [0, 1], {}),
        (['a/1.jpg', 'a/2.jpg'], [0, 1], {}),
        (['cat/1.jpg'], [0], {}),
        (['day1/1.jpg', 'day2/2.jpg', 'day2/3.jpg'], [0, 1, 0], {}),
        (['day1/1.jpg', 'day2/2.jpg', 'day3/3.jpg'], [0, 1, 0], {}),  # no two folders are one class
        (['cafe\u0301/1.jpg', 'dog/1.jpg'], [0, 1], {'caf\u00e9': 0, 'dog': 1}),
        ([], [], {}),
    ],
)
def test_folders_that_are_classes(paths, labels, expected):
    assert folder_classes(paths, labels) == expected


def shuffled(pairs):
    labels = [label for _, label in pairs]
    random.Random(0).shuffle(labels)
    return [(path, label) for (path, _), label in zip(pairs, labels, strict=True)]


WRONG = {
    'counts from 1': (
        [(path, label + 1) for path, label in RIGHT],
        'cat/ have label 1, but label 0 .*does the list count from 1',
    ),
    'permuted': (
        [(path, (label + 1) % 3) for path, label in RIGHT],
        'cat/ have label 1, but label 0',
    ),
    'two swapped': (
        [(path, {0: 0, 1: 2, 2: 1}[label]) for path, label in RIGHT],
        'dog/ have label 2, but label 1',
    ),
    'shuffled': (shuffled(RIGHT), 'cat/ have label 2, but label 0 in the labelled set'),
    'one image': ([*RIGHT[:-1], ('ferret/9.jpg', 0)], 'ferret/ have label 0, but label 2'),
    'one class alone': ([('cat/7.jpg', 1)], 'cat/ have label 1, but label 0'),
}


@pytest.mark.parametrize('wrong', WRONG)
@pytest.mark.parametrize('prefixes', [('', ''), ('train', 'val')])
def test_lists_that_disagree(make, wrong, prefixes):
    pairs, match = WRONG[wrong]
    labeled, other = make(RIGHT, prefix=prefixes[0]), make(pairs, 'val', prefix=prefixes[1])
    with pytest.raises(ValueError, match=f'val.txt: validation images in {match}'):
        check_same_folders(labeled, other, 'validation')


@pytest.mark.parametrize(
    'pairs',
    [
        RIGHT,
        [(f'val/{path}', label) for path, label in RIGHT],
        [('1.jpg', 2)],
        [('bird/1.jpg', 0)],
        RIGHT[5:6],
    ],
)
def test_lists_that_agree_or_cannot_be_compared(make, pairs):
    check_same_folders(
        make([(f'train/{path}', label) for path, label in RIGHT]), make(pairs, 'val'), 'validation'
    )


def test_folders_that_are_no_classes_are_not_compared(make):
    """Two days with one image each, which by chance are of two classes."""
    days = make([('day1/1.jpg', 0), ('day2/2.jpg', 1)])
    check_same_folders(
        days, make([('day1/3.jpg', 1), ('day1/4.jpg', 0), ('day2/5.jpg', 1)], 'val'), 'validation'
    )
    noisy = make([*RIGHT, ('cat/9.jpg', 1)])
    check_same_folders(
        noisy, make([(path, (label + 1) % 3) for path, label in RIGHT], 'val'), 'validation'
    )


def test_folders_of_patients_below_classes(make):
    pairs = [(f'{label}/{patient}/1.jpg', label) for label in range(2) for patient in range(3)]
    check_same_folders(make(pairs), make(pairs[::-1], 'val'), 'validation')


def test_folders_that_have_the_name_of_another_class(make):
    check_folder_names(make(RIGHT, classes=CLASSES, serialize_data=True), 'labelled')
    check_folder_names(make(RIGHT), 'labelled')
    check_folder_names(make(RIGHT, classes=('x', 'y', 'z')), 'labelled')
    with pytest.raises(
        ValueError,
        match=r'labeled.txt: labelled images in cat/ have label 0 .dog., but class cat is number 1',
    ):
        check_folder_names(make(RIGHT, classes=('dog', 'cat', 'ferret')), 'labelled')
