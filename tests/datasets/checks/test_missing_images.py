"""Listed images that are not there, and what is there instead."""

import os
import time
import unicodedata

import lmdb
import pytest
from mmengine.dataset import ConcatDataset, RepeatDataset

from mmsemiloc.datasets import CustomDataset, DigitScenes, LmdbDataset
from mmsemiloc.datasets.checks import missing_images
from mmsemiloc.datasets.checks.missing_images import check_images_exist, missing_files

NFC, NFD = 'caf\u00e9', 'cafe\u0301'


@pytest.fixture
def make(tmp_path):
    """A function that lists images of the folder, of which some are there."""
    for name in ('cat/1.JPG', 'cat/2.jpg', 'dog/1.jpg', f'{NFD}/1.jpg', 'dog/3.png'):
        (tmp_path / 'images' / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / 'images' / name).touch()

    def build(*lines, labeled=True, **kwargs):
        (tmp_path / 'list.txt').write_text(
            ''.join(f'{line}{" 0" if labeled else ""}\n' for line in lines)
        )
        return CustomDataset(
            data_root=str(tmp_path),
            data_prefix='images',
            ann_file='list.txt',
            with_label=labeled,
            **{'serialize_data': False, **kwargs},
        )

    return build


@pytest.mark.parametrize('labeled', [True, False])
@pytest.mark.parametrize(
    'line, match, misspelt',
    [
        ('cat/1.jpg', 'cat/1.jpg is not there, but .*images/cat/1.JPG is', True),
        ('Cat/2.jpg', 'Cat/2.jpg is not there, but .*images/cat is', True),
        (f'{NFC}/1.jpg', r'but .*cafe\\u0301. .the same letters in another Unicode form. is', True),
        ('dog/3.jpg', 'dog/3.jpg is not there, but .*dog/3.png is', False),
        ('dog/4.jpg', 'dog/4.jpg is not there: correct', False),
        ('bird/1.jpg', 'bird/1.jpg is not there: there is no folder .*images/bird', False),
    ],
)
def test_the_first_one_is_named(make, line, match, misspelt, labeled):
    dataset = make('cat/2.jpg', line, labeled=labeled, serialize_data=labeled)
    with pytest.raises(ValueError, match=f'list.txt, line 2: validation image .*{match}'):
        check_images_exist(dataset, 'validation')
    if misspelt:  # no policy makes another image of it
        with pytest.raises(ValueError, match='line 2'):
            check_images_exist(dataset, 'validation', skip=True)
    else:
        assert len(check_images_exist(dataset, 'validation', skip=True)) == 1


def test_they_are_counted_and_none_at_all_is_another_matter(make):
    with pytest.raises(ValueError, match='line 2: .*dog/8.jpg.* .2 of 3 images are missing'):
        check_images_exist(make('cat/2.jpg', 'dog/8.jpg', 'dog/9.jpg'), 'labelled')
    with pytest.raises(
        ValueError,
        match='none of the 2 labelled images is there: are data_root and data_prefix right',
    ):
        check_images_exist(make('a/8.jpg', 'a/9.jpg'), 'labelled', skip=True)


@pytest.mark.parametrize('kind', ['folder', 'link'])
def test_folders_and_broken_links_are_no_images(make, tmp_path, kind):
    place = tmp_path / 'images' / 'dog' / 'x.jpg'
    place.mkdir() if kind == 'folder' else place.symlink_to(tmp_path / 'nowhere')
    with pytest.raises(
        ValueError, match='it is a folder' if kind == 'folder' else 'it is a broken link'
    ):
        check_images_exist(make('dog/1.jpg', 'dog/x.jpg'), 'labelled')


def test_links_to_images_absolute_paths_and_detours_are_fine(make, tmp_path):
    (tmp_path / 'images' / 'dog' / 'x.jpg').symlink_to(tmp_path / 'images' / 'dog' / '1.jpg')
    dataset = make(
        'dog/x.jpg', f'{tmp_path}/images/dog/1.jpg', './cat//2.jpg', '../images/cat/1.JPG'
    )
    assert check_images_exist(dataset, 'labelled') == []


def test_wrappers_are_looked_into(make):
    good, bad = make('dog/1.jpg'), None
    good.full_init()
    bad = make('dog/1.jpg', 'dog/9.jpg')
    for wrapped in (ConcatDataset([good, bad]), RepeatDataset(bad, 2)):
        with pytest.raises(ValueError, match='dog/9.jpg'):
            check_images_exist(wrapped, 'labelled')
    assert check_images_exist(bad.get_subset([0]), 'labelled') == []


def test_images_elsewhere_are_not_looked_for(make):
    assert check_images_exist(DigitScenes(num_images=2), 'labelled') == []
    remote = dict(type='LoadImageFromFile', backend_args=dict(backend='http'))
    assert check_images_exist(make('a/1.jpg', pipeline=[remote]), 'labelled') == []
    assert check_images_exist(make('https://x/1.jpg'), 'labelled') == []


def test_keys_of_an_lmdb(tmp_path):
    with (
        lmdb.open(str(tmp_path / 'db'), map_size=2**20) as env,
        env.begin(write=True) as transaction,
    ):
        for key in (b'a/1.jpg', b'a/2.JPG'):
            transaction.put(key, b'')

    def build(*keys):
        (tmp_path / 'list.txt').write_text(''.join(f'{key} 0\n' for key in keys))
        return LmdbDataset(str(tmp_path / 'db'), str(tmp_path / 'list.txt'), with_label=True)

    assert check_images_exist(build('a/1.jpg'), 'labelled') == []
    assert check_images_exist(LmdbDataset(str(tmp_path / 'db')), 'unlabelled') == []
    assert check_images_exist(build('a/1.jpg', 'a/3.jpg'), 'labelled', skip=True) == ['a/3.jpg']
    with pytest.raises(
        ValueError, match='list.txt, line 2: labelled image a/3.jpg of LMDB .*db is not there'
    ):
        check_images_exist(build('a/1.jpg', 'a/3.jpg'), 'labelled')
    with pytest.raises(ValueError, match='a/2.jpg of LMDB .* is not there, but a/2.JPG is'):
        check_images_exist(build('a/1.jpg', 'a/2.jpg'), 'labelled', skip=True)


def test_every_folder_is_listed_once(tmp_path, monkeypatch):
    paths = []
    for folder in range(20):
        (tmp_path / str(folder)).mkdir()
        for i in range(50):
            (tmp_path / str(folder) / f'{i}.jpg').touch()
            paths.append(f'{tmp_path}/{folder}/{i}.jpg')
    listed = []
    monkeypatch.setattr(
        missing_images,
        'names_in',
        lambda folder, real=missing_images.names_in: (listed.append(folder), real(folder))[1],
    )
    start = time.process_time()
    assert missing_files(sorted(paths, key=os.path.basename)) == []
    assert len(listed) == 20 and time.process_time() - start < 1


def test_the_two_forms_are_not_the_same_name():
    assert NFC != NFD and unicodedata.normalize('NFC', NFD) == NFC
