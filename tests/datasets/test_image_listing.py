import os
import shutil

import pytest

from mmsemiloc.datasets import CustomDataset, image_listing
from mmsemiloc.datasets.image_listing import list_folder, list_folder_cached, read_list


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


def test_folders_are_classes_in_the_order_of_their_names(root):
    listing = list_folder(root)
    assert listing.classes == ['cat', 'dog', 'ærø'] and not listing.read_back
    assert list(zip(listing.paths, listing.labels, strict=True)) == [
        ('cat/deep/x y.jpeg', 0),
        ('dog/1.png', 1),
        ('dog/2.JPG', 1),
        ('ærø/ø.bmp', 2),
    ]
    assert listing.left_out == [
        f'1 hidden or foreign file or folder in {root} is left out: .hidden.jpg (1)',
        f'2 files in {root} are no images by the ending and left out: .md (1), .txt (1)',
    ]


def test_it_agrees_with_mmpretrain(root):
    from mmpretrain.datasets import CustomDataset

    dataset = CustomDataset(data_prefix=str(root))
    listing = list_folder(root)
    assert [
        os.path.relpath(info['img_path'], root) for info in dataset.load_data_list()
    ] == listing.paths
    assert dataset.get_gt_labels().tolist() == listing.labels.tolist()


FOREIGN = (
    '.ipynb_checkpoints/1.jpg',
    '__MACOSX/cat/._1.jpg',
    '@eaDir/1.jpg',
    'cat/.ipynb_checkpoints/1.jpg',
    'dog/deep/@eaDir/1.jpg',
    'lost+found/1.jpg',
    '$RECYCLE.BIN/1.jpg',
)


def test_foreign_folders_are_no_classes_and_make_split_numbers_as_training_does(root):
    before = list_folder(root)
    for name in FOREIGN:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    (root / 'loose.jpg').touch()
    after, dataset = list_folder(root), CustomDataset(data_prefix=str(root))
    assert (after.paths, after.classes) == (before.paths, before.classes)
    assert dataset.metainfo['classes'] == tuple(after.classes)
    assert dataset.get_gt_labels().tolist() == after.labels.tolist()
    assert any(
        '.ipynb_checkpoints (2)' in line and '__MACOSX (1)' in line for line in after.left_out
    )
    assert after.left_out[-1] == f'1 image in no class folder of {root} left out: loose.jpg'


def test_a_link_to_a_folder_around_it_is_an_error(root):
    (root / 'cat' / 'again').symlink_to(root, target_is_directory=True)
    with pytest.raises(ValueError, match='again is a link to a folder that it is in'):
        list_folder(root)


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
    monkeypatch.setattr(image_listing, 'EXTENSIONS', ('.jpeg', '.bmp', '.png'))
    assert not list_folder_cached(root, cache).read_back


def test_names_with_unusual_line_ends_are_read_back_whole(root, tmp_path):
    (root / 'cat' / 'a\u2028b\x85c.jpg').touch()
    grow_old(root)
    paths = list_folder_cached(root, tmp_path / 'listing.txt').paths
    again = list_folder_cached(root, tmp_path / 'listing.txt')
    assert again.read_back and again.paths == paths


@pytest.mark.parametrize(
    'change, match',
    [
        (
            lambda root: [(root / 'dog' / name).unlink() for name in ('1.png', '2.JPG')],
            'class folder .*dog has no image',
        ),
        (lambda root: (root / 'cat' / 'a\nb.jpg').touch(), 'line break'),
        (lambda root: (root / 'cat' / 'a\\b.jpg').touch(), 'back slash'),
        (lambda root: (root / 'Cat').mkdir(), "'Cat' and 'cat'"),
    ],
)
def test_faults_of_folders(root, change, match):
    change(root)
    with pytest.raises(ValueError, match=match):
        list_folder(root)


def test_no_folder_and_no_classes(tmp_path):
    (tmp_path / 'file').touch()
    with pytest.raises(ValueError, match='file is a file, not a folder'):
        list_folder(tmp_path / 'file')
    with pytest.raises(ValueError, match='no such folder: .*nowhere'):
        list_folder(tmp_path / 'nowhere')
    (tmp_path / '1.jpg').touch()
    with pytest.raises(ValueError, match='no folder for each class'):
        list_folder(tmp_path)


def test_lists_may_have_spaces_windows_line_ends_and_utf8(tmp_path):
    (tmp_path / 'list.txt').write_bytes('a b/ø.jpg 1\r\nc.jpg 0\r\n'.encode())
    listing = read_list(tmp_path / 'list.txt')
    assert (
        listing.paths == ['a b/ø.jpg', 'c.jpg']
        and listing.labels.tolist() == [1, 0]
        and listing.classes == ['0', '1']
    )


@pytest.mark.parametrize(
    'text, match',
    [
        ('a.jpg 0\nb.jpg\n', "line 2: 'b.jpg'"),
        ('a.jpg 0\nb.jpg 2\n', 'no image of class 1'),
        ('a.jpg 1\nb.jpg 2\n', 'no image of class 0, but one of class 2 .does it count from 1'),
        ('a.jpg 0\nb.jpg 99999999999\n', 'no image of class 1'),
    ],
)
def test_faults_of_lists(tmp_path, text, match):
    (tmp_path / 'list.txt').write_text(text)
    with pytest.raises(ValueError, match=match):
        read_list(tmp_path / 'list.txt')
