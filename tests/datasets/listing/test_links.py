"""What leads out of the folder of the data: refused in lists and folders, unless it is allowed."""

import shutil

import pytest

from mmsemiloc.datasets import SemiSupDataset
from mmsemiloc.datasets.image_folders import CustomDataset
from mmsemiloc.datasets.listing import links
from mmsemiloc.few_labels.photos import read_photos
from tests.datasets.conftest import save_image


@pytest.fixture
def root(tmp_path):
    """Images in folders of classes, and one elsewhere."""
    for name in ('data/cat/1.jpg', 'data/cat/2.jpg', 'data/dog/1.jpg', 'data/dog/2.jpg'):
        save_image(tmp_path / name)
    save_image(tmp_path / 'elsewhere' / 'secret.jpg')
    save_image(tmp_path / 'data2' / 'x.jpg')  # its name begins as that of the data does
    return tmp_path / 'data'


def link_to_file(root):
    (root / 'cat' / 'x.jpg').symlink_to(root.parent / 'elsewhere' / 'secret.jpg')
    return 'cat/x.jpg'


def link_to_folder(root):
    (root / 'emu').symlink_to(root.parent / 'elsewhere')
    return 'emu/secret.jpg'


def link_of_links(root):
    """Relative, and by another link in the data."""
    (root / 'cat' / 'way').symlink_to('../../elsewhere/secret.jpg')
    (root / 'cat' / 'x.jpg').symlink_to('way')
    return 'cat/x.jpg'


def link_to_a_neighbour(root):
    (root / 'cat' / 'x.jpg').symlink_to(root.parent / 'data2' / 'x.jpg')
    return 'cat/x.jpg'


LINKS = (link_to_file, link_to_folder, link_of_links, link_to_a_neighbour)
LINES = {
    'up': '../elsewhere/secret.jpg',
    'up and down': 'cat/../../elsewhere/secret.jpg',
    'neighbour': '../data2/x.jpg',
    'absolute': '{parent}/elsewhere/secret.jpg',
}


def dataset(root, lines=None, **kwargs):
    if lines is not None:
        (root.parent / 'list.txt').write_text('\n'.join(lines))
        kwargs = dict(ann_file=str(root.parent / 'list.txt'), with_label=False, **kwargs)
    return CustomDataset(data_root=str(root), **kwargs)


@pytest.mark.parametrize('make', LINKS)
@pytest.mark.parametrize('way', ['folders', 'no labels', 'list'])
def test_links_that_leave_the_data_are_refused(make, way, root):
    path = make(root)
    kwargs = {
        'folders': dict(),
        'no labels': dict(with_label=False),
        'list': dict(lines=['cat/1.jpg', path]),
    }[way]
    with pytest.raises(ValueError, match=f'leaves {root} .to {root.parent}/.*: .*allow_links=True'):
        dataset(root, **kwargs)
    assert len(dataset(root, allow_links=True, **kwargs))


@pytest.mark.parametrize('name', LINES)
def test_lines_that_leave_the_data_are_refused(name, root):
    line = LINES[name].format(parent=root.parent)
    with pytest.raises(ValueError, match=f'list.txt, line 2: {line} leaves {root} .to '):
        dataset(root, ['cat/1.jpg', line])

    # Allowed, also in the checks before training.
    found = dataset(root, ['cat/1.jpg', line], allow_links=True)
    assert len(found) == 2
    SemiSupDataset(dataset(root), found, allow_overlap=True).check(2)


def test_links_and_lines_within_the_data_are_fine(root):
    (root / 'cat' / 'x.jpg').symlink_to(root / 'dog' / '1.jpg')
    (root / 'cow').symlink_to('dog')
    lines = ['cat/x.jpg', 'cow/2.jpg', 'cat/../dog/1.jpg', f'{root}/cat/1.jpg', './cat/2.jpg']
    assert len(dataset(root, lines)) == 5
    assert len(dataset(root)) == 7


def test_folders_that_the_user_names_may_be_links(root):
    """The root, and the folder of the images in it."""
    (root.parent / 'link').symlink_to(root)
    assert len(dataset(root.parent / 'link')) == 4
    assert len(dataset(root.parent / 'link', [f'{root}/cat/1.jpg', 'dog/1.jpg'])) == 2

    (root / 'train').symlink_to(root.parent / 'elsewhere')
    assert len(dataset(root, data_prefix='train', with_label=False)) == 1


def test_broken_links_are_left_to_the_check_of_missing_images(root):
    (root / 'cat' / 'x.jpg').symlink_to('/nowhere/x.jpg')
    assert len(dataset(root)) == len(dataset(root, ['cat/1.jpg', 'cat/x.jpg'])) + 3 == 5


def test_without_a_root_nothing_is_left(root):
    (root.parent / 'list.txt').write_text(f'{root}/cat/1.jpg\n{root.parent}/elsewhere/secret.jpg')
    found = CustomDataset(ann_file=str(root.parent / 'list.txt'), with_label=False)
    assert len(found) == 2


def test_without_the_check_links_are_followed(root, monkeypatch):
    """Negative control."""
    link_to_file(root)
    monkeypatch.setattr(links, 'is_inside', lambda path, roots: True)
    assert len(dataset(root)) == 5


@pytest.mark.parametrize('labels', [False, True], ids=['folders', 'csv'])
@pytest.mark.parametrize('make', LINKS)
def test_photographs(make, labels, root):
    """Of ``mmsemiloc.fit``, in folders of classes and with a csv file."""
    if make is link_to_folder and not labels:
        save_image(root.parent / 'elsewhere' / '2.jpg')  # a class needs two
    path = make(root)
    csv = root.parent / 'labels.csv'
    csv.write_text(f'file,label\ncat/1.jpg,a\ncat/2.jpg,a\ndog/1.jpg,b\ndog/2.jpg,b\n{path},b\n')
    args = (root, csv if labels else None)
    with pytest.raises(ValueError, match=f'leaves {root} .to .*--allow-links of tools/fit.py'):
        read_photos(*args)
    assert len(read_photos(*args, allow_links=True).labeled) >= 5


def test_photographs_of_two_folders_may_share_files(root):
    """A link from one named folder to the other leaves neither."""
    more = root.parent / 'more'
    more.mkdir()
    (more / 'y.jpg').symlink_to(root / 'cat' / '1.jpg')
    shutil.copy(root / 'cat' / '1.jpg', more / 'z.jpg')
    found = read_photos(None, labeled=root, unlabeled=more)
    assert len(found.unlabeled) == 2
