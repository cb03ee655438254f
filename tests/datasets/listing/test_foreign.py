"""What is hidden or foreign, at any depth."""

from collections import Counter

import pytest

from mmsemiloc.datasets.listing.foreign import describe_foreign, foreign_part, is_foreign


@pytest.mark.parametrize(
    'name',
    [
        '.ipynb_checkpoints',
        '.DS_Store',
        '._1.jpg',
        '__MACOSX',
        '__macosx',
        '@eaDir',
        'lost+found',
        '$RECYCLE.BIN',
        '$Recycle.Bin',
        'System Volume Information',
        '#recycle',
        '#snapshot',
        '__pycache__',
        'Thumbs.db',
        'desktop.ini',
        '~$1.jpg',
    ],
)
def test_hidden_and_foreign_names(name):
    assert is_foreign(name) and foreign_part(f'cat/{name}/1.jpg') == name


@pytest.mark.parametrize(
    'name', ['cat', '1.jpg', 'recycle', 'n01440764', '_cat', 'macosx', 'a.b', '#1']
)
def test_names_of_classes_and_images(name):
    assert not is_foreign(name) and foreign_part(f'../{name}/./1.jpg') is None


def test_one_line():
    assert describe_foreign(Counter(), 'data') == ''
    assert describe_foreign(Counter({'.DS_Store': 2, '@eaDir': 1}), 'data') == (
        '3 hidden or foreign files or folders in data are left out: .DS_Store (2), @eaDir (1)'
    )
