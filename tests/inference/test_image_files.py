"""Images below folders, and what is left out of them."""

import pytest

from mmsemiloc.inference.image_files import find_images
from tests.datasets.conftest import save_image


def test_find_images(folder):
    names = ['a.png', 'b/broken.jpg', 'b/c.JPG', 'b/d.png', 'empty.png']
    assert find_images([folder]) == [folder / name for name in names]
    assert find_images([folder / 'text.txt', folder / 'nowhere.png']) == [
        folder / 'text.txt',
        folder / 'nowhere.png',
    ]
    (folder / 'none').mkdir()
    with pytest.raises(ValueError, match='no image in .*none: looked for .jpg'):
        find_images([folder / 'none'])


def test_what_is_left_out_is_said(folder):
    lines = []
    (folder / '.hidden').mkdir()
    save_image(folder / '.hidden' / 'x.png')
    save_image(folder / 'e.JFIF.jpg'), save_image(folder / 'f.webp'), save_image(folder / 'g.gif')
    for name in ('1.heic', '2.HEIC', '3.cr2'):
        (folder / name).write_bytes(b'photo')
    found = find_images([folder, folder / 'a.png'], say=lines.append)
    assert [path.name for path in found] == [
        'a.png',
        'broken.jpg',
        'c.JPG',
        'd.png',
        'e.JFIF.jpg',
        'empty.png',
        'f.webp',
        'g.gif',
    ]
    said = '\n'.join(lines)
    assert '.heic (2)' in said and '.cr2 (1)' in said and '.txt (1)' in said and '.hidden' in said


def test_pictures_of_an_earlier_run_are_not_photos(folder):
    lines = []
    save_image(folder / 'seen' / '00000_a.png')
    assert 'seen' not in {
        path.parent.name for path in find_images([folder], folder / 'seen', lines.append)
    }
    assert lines[-1] == f'1 image in {folder / "seen"} left out: it is the folder of the results'
    assert 'seen' in {
        path.parent.name for path in find_images([folder], folder.parent / 'other')
    }  # negative control
    with pytest.raises(ValueError, match='choose another --out'):
        find_images([folder], folder / 'b' / '..')
