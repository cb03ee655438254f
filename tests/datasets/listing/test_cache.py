"""The kept listing is read back as long as nothing has changed, and never longer."""

import os
import shutil

import pytest

from mmsemiloc.datasets.listing import cache as module
from mmsemiloc.datasets.listing.cache import list_folder_cached
from mmsemiloc.datasets.listing.class_folders import list_folder


def grow_old(root):
    """The folders have not changed for a day, so that the next change is seen however coarse times
    are.
    """
    for folder in (root, *(path for path in root.rglob('*') if path.is_dir())):
        os.utime(folder, ns=(10**18, 10**18))


CHANGES = {
    'an image in a class': lambda root: (root / 'dog' / '3.jpg').touch(),
    'an image in a deeper folder': lambda root: (root / 'cat' / 'deep' / '2.jpg').touch(),
    'an image in an empty deeper folder': lambda root: (root / 'cat' / 'empty' / '2.jpg').touch(),
    'an image is gone': lambda root: (root / 'dog' / '1.png').unlink(),
    'an image has another name': lambda root: (root / 'dog' / '1.png').rename(
        root / 'dog' / '0.png'
    ),
    'a class has another name': lambda root: (root / 'dog').rename(root / 'wolf'),
    'a class in the place of another': lambda root: (root / 'other').rename(root / 'ant'),
}


@pytest.mark.parametrize('change', CHANGES)
def test_the_cache_is_read_until_a_folder_at_any_depth_changes(root, tmp_path, change):
    (root / 'cat' / 'empty').mkdir()
    (root / 'other').mkdir()
    (root / 'other' / '1.jpg').touch()
    cache = tmp_path / 'meta' / 'listing.txt'
    grow_old(root)
    first, again = list_folder_cached(root, cache), list_folder_cached(root, cache)
    assert not first.read_back and again.read_back
    assert (again.paths, again.classes, again.left_out) == (
        first.paths,
        first.classes,
        first.left_out,
    )
    assert again.labels.tolist() == first.labels.tolist()
    CHANGES[change](root)
    changed = list_folder_cached(root, cache)
    assert not changed.read_back and changed.paths == list_folder(root).paths != first.paths


def test_a_copy_in_the_place_of_the_root_is_seen_though_its_times_are_the_same(root, tmp_path):
    cache = tmp_path / 'listing.txt'
    grow_old(root)
    list_folder_cached(root, cache)
    root.rename(tmp_path / 'old')
    shutil.copytree(tmp_path / 'old', root)
    (root / 'dog' / '1.png').rename(root / 'dog' / '0.png')
    grow_old(root)
    assert list_folder_cached(root, cache).paths == list_folder(root).paths


def test_a_torn_cache_other_endings_and_young_folders_are_listed_anew(root, tmp_path, monkeypatch):
    cache = tmp_path / 'listing.txt'
    list_folder_cached(root, cache)
    assert not list_folder_cached(
        root, cache
    ).read_back  # a change in the same tick would leave no trace
    grow_old(root)
    assert (
        not list_folder_cached(root, cache).read_back and list_folder_cached(root, cache).read_back
    )
    cache.write_text(cache.read_text().rpartition('dog')[0])
    assert (
        not list_folder_cached(root, cache).read_back and list_folder_cached(root, cache).read_back
    )
    monkeypatch.setattr(module, 'EXTENSIONS', ('.jpeg', '.bmp', '.png'))
    assert not list_folder_cached(root, cache).read_back


def test_names_with_unusual_line_ends_are_read_back_whole(root, tmp_path):
    (root / 'cat' / 'a\u2028b\x85c.jpg').touch()
    grow_old(root)
    paths = list_folder_cached(root, tmp_path / 'listing.txt').paths
    again = list_folder_cached(root, tmp_path / 'listing.txt')
    assert again.read_back and again.paths == paths
