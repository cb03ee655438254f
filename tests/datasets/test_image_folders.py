"""Datasets of folders and lists: classes by name, foreign files left out, lists read with care."""

import shutil

import mmpretrain.datasets
import pytest
from mmengine.registry import DefaultScope

import mmsemiloc.datasets
from mmsemiloc.datasets import CustomDataset, ImageNet
from mmsemiloc.datasets.image_folders import ImageFolderMixin
from mmsemiloc.registry import DATASETS

FILES = ('cat/1.jpg', 'cat/2.JPG', 'dog/a/1.png', 'ferret/1.webp')


@pytest.fixture
def root(tmp_path):
    """Three classes."""
    touch(tmp_path / 'data', *FILES)
    return tmp_path / 'data'


@pytest.fixture
def said(monkeypatch):
    """What is logged."""
    lines = []
    monkeypatch.setattr(
        'mmsemiloc.datasets.image_folders.print_log', lambda text, **kwargs: lines.append(text)
    )
    return lines


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def labels(dataset):
    """Class by path, relative to the folder."""
    prefix = dataset.img_prefix.rstrip('/') + '/'
    return {
        info['img_path'].removeprefix(prefix): info['gt_label'] for info in dataset.load_data_list()
    }


def test_our_names_stand_for_our_datasets():
    for kind in (CustomDataset, ImageNet):
        assert DATASETS.get(kind.__name__) is kind and issubclass(kind, ImageFolderMixin)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        other = DATASETS.build(
            dict(type='mmpretrain.CustomDataset', data_prefix='x', lazy_init=True)
        )
    assert type(other) is mmpretrain.datasets.CustomDataset


def test_classes_are_the_sorted_visible_folders(root, said):
    touch(
        root,
        '.ipynb_checkpoints/1.jpg',
        '__MACOSX/cat/._1.jpg',
        'cat/.ipynb_checkpoints/1.jpg',
        'dog/Thumbs.db',
        'cat/1.heic',
        'cat/1.txt',
        'dog/2.txt',
    )
    dataset = CustomDataset(data_prefix=str(root))
    assert dataset.metainfo['classes'] == ('cat', 'dog', 'ferret')
    assert labels(dataset) == dict(zip(FILES, [0, 0, 1, 2], strict=True))
    assert said[:2] == [
        f'4 hidden or foreign files or folders in {root} are left out: .ipynb_checkpoints (2), '
        'Thumbs.db (1), __MACOSX (1)',
        f'3 files in {root} are not images by their ending and are left out: .txt (2), .heic (1)',
    ]


def test_mmpretrain_makes_classes_of_foreign_folders(root):
    """Why there are datasets of our own: the same folder, the numbers moved by one."""
    touch(root, '.ipynb_checkpoints/1.jpg')
    stock = mmpretrain.datasets.CustomDataset(data_prefix=str(root))
    assert stock.metainfo['classes'][0] == '.ipynb_checkpoints' and labels(stock)['cat/1.jpg'] == 1
    assert labels(CustomDataset(data_prefix=str(root)))['cat/1.jpg'] == 0


@pytest.mark.parametrize('classes', [('dog', 'cat', 'ferret'), ['ferret', 'dog', 'cat', 'bird']])
@pytest.mark.parametrize('how', ['classes', 'metainfo', 'file', 'metainfo file'])
def test_folders_have_the_numbers_of_their_names(root, classes, how):
    file = root.parent / 'classes.txt'
    file.write_text('\n'.join(classes) + '\n')
    given = {
        'classes': dict(classes=classes),
        'metainfo': dict(metainfo=dict(classes=classes)),
        'file': dict(classes=str(file)),
        'metainfo file': dict(metainfo=dict(classes=str(file))),
    }[how]
    dataset = CustomDataset(data_root=str(root), **given)
    assert dataset.metainfo['classes'] == tuple(classes)
    assert labels(dataset) == {name: classes.index(name.partition('/')[0]) for name in FILES}


def test_descriptions_number_the_sorted_folders(root, said):
    dataset = CustomDataset(data_prefix=str(root), classes=('tench', 'goldfish', 'shark'))
    assert labels(dataset)['dog/a/1.png'] == 1
    assert any('cat is 0 (tench), dog is 1 (goldfish)' in line for line in said)


@pytest.mark.parametrize(
    'classes, match',
    [
        (('cat', 'dog'), "not in classes: 'ferret'"),
        (('a', 'b'), '3 class folders .*but there are 2 classes'),
        (('cat', 'dog', 'dog'), "'dog' and 'dog'"),
        (('cat', 'dog', ''), "has the name ''"),
        (('Cat', 'Dog', 'Ferret'), 'differ only in case'),
        ((0, 1, 2), 'has the name 0'),
        ('nothing.txt', 'cannot read the class names nothing.txt'),
    ],
)
def test_classes_that_do_not_fit(root, classes, match):
    with pytest.raises(ValueError, match=match):
        CustomDataset(data_prefix=str(root), classes=classes)


def test_classes_twice(root):
    with pytest.raises(ValueError, match='differs from metainfo.classes'):
        CustomDataset(
            data_prefix=str(root),
            classes=('cat', 'dog', 'ferret'),
            metainfo=dict(classes=('dog', 'cat', 'ferret')),
        )


def test_forgotten_classes_of_imagenet(root):
    with pytest.raises(
        ValueError, match="3 class folders .*'ferret'.*there are 1000 classes .'tench"
    ):
        ImageNet(data_prefix=str(root))
    assert (
        ImageNet(data_prefix=str(root), classes=['dog', 'cat', 'ferret']).folder_to_idx['cat'] == 1
    )


@pytest.mark.parametrize(
    'change, match',
    [
        (lambda root: shutil.rmtree(root), 'no such folder: .*data'),
        (lambda root: (shutil.rmtree(root), root.touch()), 'data is a file, not a folder'),
        (lambda root: (shutil.rmtree(root), root.mkdir()), 'has no folder for each class'),
        (
            lambda root: (shutil.rmtree(root), touch(root, '1.jpg')),
            r'has no folder for each class in it .1 images',
        ),
        (
            lambda root: (shutil.rmtree(root), touch(root, 'cat/1.txt', 'dog/.x')),
            r'no image in the class .*\.txt \(1\)',
        ),
        (
            lambda root: (shutil.rmtree(root), touch(root, 'train/cat/1.jpg', 'val/cat/1.jpg')),
            'which are not classes',
        ),
        (lambda root: touch(root, 'Cat/1.jpg'), "'Cat' and 'cat'"),
    ],
)
def test_folders_that_are_no_classes(root, change, match):
    change(root)
    with pytest.raises(ValueError, match=match):
        CustomDataset(data_root=str(root))


def test_arguments():
    with pytest.raises(ValueError, match='CustomDataset needs data_root'):
        CustomDataset()
    with pytest.raises(ValueError, match='ImageNet needs data_root'):
        ImageNet()
    with pytest.raises(ValueError, match="split must be one of train, val, test, got 'valid'"):
        ImageNet(data_root='x', split='valid')


def test_without_labels(root, said):
    touch(root, '0.png', 'cat/.ipynb_checkpoints/1.jpg', 'notes.txt')
    dataset = CustomDataset(data_prefix=str(root), with_label=False)
    assert [info['img_path'] for info in dataset.load_data_list()] == [
        f'{root}/{name}' for name in ('0.png', *FILES)
    ]
    assert 'gt_label' not in dataset.get_data_info(0) and len(said) >= 2
    shutil.rmtree(root / 'cat')
    with pytest.raises(ValueError, match='no image in .*/data'):
        CustomDataset(data_prefix=str(root), with_label=False, extensions=('.gif',))


def test_endings_that_are_asked_for(root, said):
    dataset = CustomDataset(data_prefix=str(root), extensions=('.JPG', '.png'))
    assert list(labels(dataset)) == ['cat/1.jpg', 'cat/2.JPG', 'dog/a/1.png']
    assert f'1 file in {root} is not an image by its ending and is left out: .webp (1)' in said
    assert f"no image in 1 class folders of {root}: 'ferret'" in said


@pytest.mark.parametrize('labeled', [True, False])
@pytest.mark.parametrize('kind', ['CustomDataset', 'ImageNet'])
def test_sound_lists_load_as_in_mmpretrain(tmp_path, labeled, kind):
    lines = ['n02/x y.JPEG', 'n01/2.JPEG', '/elsewhere/3.png', './n01/1.jpg']
    text = ''.join(f'{line}{f" {i % 2}" if labeled else ""}\n' for i, line in enumerate(lines))
    (tmp_path / 'meta').mkdir()
    (tmp_path / 'meta' / 'train.txt').write_text(text)
    arguments = dict(
        data_root=str(tmp_path), data_prefix='train', ann_file='meta/train.txt', with_label=labeled
    )
    ours = getattr(mmsemiloc.datasets, kind)(**arguments, allow_links=True)
    stock = getattr(mmpretrain.datasets, kind)(**arguments)
    assert ours.load_data_list() == stock.load_data_list() and ours.metainfo == stock.metainfo


def test_lists_of_splits_of_imagenet_and_without_a_root(tmp_path):
    touch(tmp_path, 'meta/x')
    (tmp_path / 'meta' / 'val.txt').write_text('a.JPEG 999\n')
    assert labels(ImageNet(data_root=str(tmp_path), split='val')) == {'a.JPEG': 999}
    dataset = CustomDataset(ann_file=str(tmp_path / 'meta' / 'val.txt'))
    assert dataset.load_data_list() == [dict(img_path='a.JPEG', gt_label=999)]


@pytest.mark.parametrize(
    'line, match',
    [
        ('b.jpg', 'no label'),
        ('b.jpg\t0', 'a tab'),
        ('# x', 'comments'),
        ('b\\c.jpg 0', 'forward slashes'),
        ('b.jpg 3', '3 classes, 0 to 2'),
    ],
)
@pytest.mark.parametrize('test_mode', [False, True])
def test_faults_of_lists_name_the_line(tmp_path, line, match, test_mode):
    (tmp_path / 'list.txt').write_text(f'a.jpg 0\n{line}\n')
    with pytest.raises(ValueError, match=f'list.txt, line 2: .*{match}'):
        CustomDataset(
            data_root=str(tmp_path),
            ann_file='list.txt',
            classes=('a', 'b', 'c'),
            test_mode=test_mode,
        )


def test_a_list_that_counts_from_1(tmp_path):
    (tmp_path / 'list.txt').write_text('a.jpg 1\nb.jpg 2\n')
    with pytest.raises(
        ValueError, match='line 2: b.jpg has label 2, but there are 2 classes, 0 to 1: .*from 1'
    ):
        CustomDataset(data_root=str(tmp_path), ann_file='list.txt', classes=('a', 'b'))
