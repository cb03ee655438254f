"""Names, not places, give classes their numbers."""

import pytest

from mmsemiloc.datasets.listing.class_numbers import (
    number_folders,
    read_class_names,
    sorted_folders,
)

NFC, NFD = 'caf\u00e9', 'cafe\u0301'


def test_without_classes_the_sorted_folders_are_numbered():
    assert number_folders(['cat', 'dog'], None, 'data') == dict(cat=0, dog=1)
    assert sorted_folders(['dog', 'Cat', 'ærø'], 'data') == ['Cat', 'dog', 'ærø']


def test_the_order_is_the_same_in_every_unicode_form():
    assert sorted_folders(['cafz', NFC], 'data') == ['cafz', NFC]
    assert sorted_folders(['cafz', NFD], 'data') == ['cafz', NFD]  # sorted() turns them round
    assert sorted(['cafz', NFD]) != ['cafz', NFD]


@pytest.mark.parametrize(
    'folders, classes, numbers',
    [
        (['cat', 'dog', 'ferret'], ('dog', 'cat', 'ferret'), [1, 0, 2]),
        (['cat', 'ferret'], ('cat', 'dog', 'ferret'), [0, 2]),
        ([NFD, 'dog'], ('dog', NFC), [1, 0]),
        (['n01', 'n02'], ('tench', 'goldfish'), [0, 1]),
        (['00', '01', '10'], ('zero', 'one', 'ten'), [0, 1, 2]),
    ],
)
def test_with_classes(folders, classes, numbers):
    assert number_folders(folders, classes, 'data') == dict(zip(folders, numbers, strict=True))


@pytest.mark.parametrize(
    'folders, classes, match',
    [
        (
            ['bird', 'cat', 'dog'],
            ('cat', 'dog', 'ferret'),
            "not in classes: 'bird'; classes are 'cat', 'dog', 'ferret'",
        ),
        (['Cat', 'dog'], ('cat', 'dog'), "'Cat' of data and class 'cat' differ only in case"),
        (['Cat', 'Dog'], ('cat', 'dog'), 'differ only in case'),
        (['cat', 'dog'], ('dog ', 'cat '), 'outer blanks'),
        (
            ['cat', 'dog'],
            ('tench',),
            "data has 2 class folders .'cat', 'dog'., but there are 1 classes",
        ),
        (['0', '1', '10', '2'], ('zero', 'one', 'two', 'ten'), 'leading zeros'),
    ],
)
def test_what_does_not_fit(folders, classes, match):
    with pytest.raises(ValueError, match=match):
        number_folders(folders, classes, 'data')


@pytest.mark.parametrize(
    'folders, match',
    [
        (['Cat', 'cat'], "'Cat' and 'cat'"),
        ([NFC, NFD], r"'cafe\\u0301' and 'caf\\xe9'"),
        (['cat', 'cat '], "'cat' and 'cat '"),
        (['train', 'val'], 'which are not classes'),
    ],
)
def test_folders_that_cannot_be_numbered(folders, match):
    with pytest.raises(ValueError, match=match):
        sorted_folders(folders, 'data')


def test_a_class_may_have_the_name_of_a_split():
    assert sorted_folders(['bus', 'train'], 'data') == ['bus', 'train']


@pytest.mark.parametrize('content', [b'cat\ndog\n', b'\xef\xbb\xbfcat\r\ndog\r\n', b'cat  \ndog'])
def test_files_of_names(tmp_path, content):
    (tmp_path / 'classes.txt').write_bytes(content)
    assert read_class_names(tmp_path / 'classes.txt') == ('cat', 'dog')


@pytest.mark.parametrize(
    'content, match',
    [
        (b'cat\ndog\n\n', 'line 3: a blank line'),
        (b'cat\n\ndog\n', 'line 2: a blank line'),
        (b'cat\nCat\n', "'cat' and 'Cat'"),
        (b'', 'line 1: a blank line'),
        (b'caf\xe9\n', "can't decode byte 0xe9"),
    ],
)
def test_bad_files_of_names(tmp_path, content, match):
    (tmp_path / 'classes.txt').write_bytes(content)
    with pytest.raises(ValueError, match=f'classes.txt.*{match}'):
        read_class_names(tmp_path / 'classes.txt')
    with pytest.raises(ValueError, match='cannot read the class names'):
        read_class_names(tmp_path / 'nothing.txt')
