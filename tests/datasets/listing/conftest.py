"""A folder of classes, as users have it."""

import pytest


@pytest.fixture
def root(tmp_path):
    """Three classes, one with a folder inside, a hidden file, a text file, and a file outside of
    the classes.
    """
    root = tmp_path / 'train'
    for name in (
        'dog/2.JPG',
        'dog/1.png',
        'cat/deep/x y.jpeg',
        'ærø/ø.bmp',
        'cat/.hidden.jpg',
        'cat/notes.txt',
        'readme.md',
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root
