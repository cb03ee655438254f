import os

import pytest

from mmsemiloc.datasets import image_listing
from mmsemiloc.datasets.image_listing import list_folder, list_folder_cached, read_list


@pytest.fixture
def root(tmp_path):
    """Three classes, one with a folder inside, a hidden file, a text file, and a file outside of the classes."""
    root = tmp_path / 'train'
    for name in ('dog/2.JPG', 'dog/1.png', 'cat/deep/x y.jpeg', 'ærø/ø.bmp', 'cat/.hidden.jpg', 'cat/notes.txt', 'readme.md'):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def test_folders_are_classes_in_the_order_of_their_names(root):
    listing = list_folder(root)
    assert listing.classes == ['cat', 'dog', 'ærø'] and listing.ignored == 2
    assert list(zip(listing.paths, listing.labels, strict=True)) == [
        ('cat/deep/x y.jpeg', 0), ('dog/1.png', 1), ('dog/2.JPG', 1), ('ærø/ø.bmp', 2)]


def test_it_agrees_with_mmpretrain(root):
    from mmpretrain.datasets import CustomDataset
    dataset = CustomDataset(data_prefix=str(root))
    listing = list_folder(root)
    assert [os.path.relpath(info['img_path'], root) for info in dataset.load_data_list()] == listing.paths
    assert dataset.get_gt_labels().tolist() == listing.labels.tolist()


def test_the_cache_is_read_until_a_class_changes(root, tmp_path, monkeypatch):
    cache = tmp_path / 'meta' / 'listing.txt'
    first = list_folder_cached(root, cache)
    calls = []
    monkeypatch.setattr(image_listing, 'list_folder', lambda *args: calls.append(args) or list_folder(*args))
    again = list_folder_cached(root, cache)
    assert not calls and again.paths == first.paths and again.labels.tolist() == first.labels.tolist()
    assert again.classes == first.classes and again.ignored == first.ignored
    (root / 'dog' / '3.jpg').touch()
    os.utime(root / 'dog', (1, 1))  # file systems with coarse times
    assert len(list_folder_cached(root, cache).paths) == 5 and len(calls) == 1
    cache.write_text('torn')
    assert len(list_folder_cached(root, cache).paths) == 5 and len(calls) == 2


@pytest.mark.parametrize('change, match', [
    (lambda root: [(root / 'dog' / name).unlink() for name in ('1.png', '2.JPG')], 'class folder .*dog has no image'),
    (lambda root: (root / 'cat' / 'a\nb.jpg').touch(), 'line break'),
])
def test_faults_of_folders(root, change, match):
    change(root)
    with pytest.raises(ValueError, match=match):
        list_folder(root)


def test_no_folder_and_no_classes(tmp_path):
    with pytest.raises(ValueError, match='no such folder: .*nowhere'):
        list_folder(tmp_path / 'nowhere')
    (tmp_path / '1.jpg').touch()
    with pytest.raises(ValueError, match='no folder for each class'):
        list_folder(tmp_path)


def test_lists_may_have_spaces_windows_line_ends_and_utf8(tmp_path):
    (tmp_path / 'list.txt').write_bytes('a b/ø.jpg 1\r\nc.jpg 0\r\n'.encode())
    listing = read_list(tmp_path / 'list.txt')
    assert listing.paths == ['a b/ø.jpg', 'c.jpg'] and listing.labels.tolist() == [1, 0] and listing.classes == ['0', '1']


@pytest.mark.parametrize('text, match', [
    ('a.jpg 0\nb.jpg\n', "line 2: .*'b.jpg'"), ('a.jpg -1\n', "line 1: .*'a.jpg -1'"), ('a.jpg cat\n', 'line 1'),
    ('a.jpg 0\na.jpg 0\n', 'line 2: a.jpg stands in the list already'), ('a.jpg 0\nb.jpg 2\n', 'no image of class 1'),
    ('', 'has no images'), ('a.jpg 0\n\nb.jpg 1\n', "line 2: .*''")])
def test_faults_of_lists(tmp_path, text, match):
    (tmp_path / 'list.txt').write_text(text)
    with pytest.raises(ValueError, match=match):
        read_list(tmp_path / 'list.txt')
