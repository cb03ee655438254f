import os

import pytest

from mmsemiloc.datasets import CustomDataset
from mmsemiloc.datasets.listing.class_folders import list_folder, read_list


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
        f'2 files in {root} are not images by their ending and are left out: .md (1), .txt (1)',
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
