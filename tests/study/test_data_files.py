"""Results are those of the lists and images that lie on disk."""

import json
import os
import shutil
import time

import pytest
from mmengine.config import Config

from mmsemiloc.study import data_files, plan_run
from mmsemiloc.study.data_files import data_fingerprint
from mmsemiloc.study.runs import fingerprint


@pytest.fixture
def root(tmp_path):
    """Images in folders, a list of some of them, boxes, an LMDB, a prior and a checkpoint."""
    for name in (
        'images/cat/1.jpg',
        'images/cat/deep/2.jpg',
        'images/dog/1.jpg',
        'val/cat/1.jpg',
        'boxes/1.xml',
        'db/data.mdb',
        'db/lock.mdb',
        'big.pth',
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / 'big.pth').write_bytes(bytes(2**20 + 1))
    (tmp_path / 'list.txt').write_text('cat/1.jpg 0\ndog/1.jpg 1\n')
    (tmp_path / 'prior.json').write_text('[1, 2]')
    (tmp_path / 'classes.txt').write_text('cat\ndog\n')
    for path in tmp_path.rglob('*'):
        os.utime(path, ns=(10**18, 10**18))
    return tmp_path


def make_config(root):
    """A config that reads all of that."""
    dataset = dict(type='CustomDataset', data_root=str(root))
    labeled = dict(
        dataset, data_prefix='images', ann_file='list.txt', classes=str(root / 'classes.txt')
    )
    unlabeled = [
        dict(dataset, data_prefix=dict(img_path='images'), with_label=False),
        dict(type='LmdbDataset', db_path=str(root / 'db')),
    ]
    boxes = dict(type='LoadLocalizationBoxes', ann_dir=str(root / 'boxes'))
    return Config(
        dict(
            train_dataloader=dict(
                dataset=dict(type='SemiSupDataset', labeled=labeled, unlabeled=unlabeled)
            ),
            val_dataloader=dict(
                dataset=dict(dataset, data_root=str(root / 'val'), pipeline=[boxes])
            ),
            model=dict(
                loss=dict(prior=str(root / 'prior.json')),
                init_cfg=dict(checkpoint=str(root / 'big.pth')),
            ),
        )
    )


def touch(path):
    path.parent.mkdir(exist_ok=True)
    path.touch()
    os.utime(path, ns=(10**18 + 1, 10**18 + 1))


CHANGES = {
    'a label': lambda root: (root / 'list.txt').write_text('cat/1.jpg 0\ndog/1.jpg 0\n'),
    'a line': lambda root: (root / 'list.txt').write_text('cat/1.jpg 0\n'),
    'a listed image is replaced': lambda root: touch(root / 'images/dog/1.jpg'),
    'an image has another size': lambda root: (root / 'images/cat/deep/2.jpg').write_text(
        'longer than it was'
    ),
    'an image more': lambda root: touch(root / 'images/bird/1.jpg'),
    'an image less': lambda root: (root / 'images/cat/deep/2.jpg').unlink(),
    'another name': lambda root: (root / 'images/cat').rename(root / 'images/wolf'),
    'a validation image': lambda root: touch(root / 'val/cat/1.jpg'),
    'boxes': lambda root: touch(root / 'boxes/1.xml'),
    'an LMDB': lambda root: touch(root / 'db/data.mdb'),
    'a prior': lambda root: (root / 'prior.json').write_text('[2, 1]'),
    'a checkpoint': lambda root: touch(root / 'big.pth'),
    'classes': lambda root: (root / 'classes.txt').write_text('dog\ncat\n'),
}


@pytest.mark.parametrize('change', CHANGES)
def test_what_lies_on_disk_counts(root, tmp_path, change):
    cfg = make_config(root)
    before = fingerprint(cfg)
    assert fingerprint(make_config(root)) == before
    CHANGES[change](root)
    assert fingerprint(cfg) != before
    assert plan_run('a', cfg, 0, tmp_path).folder.parent.name == f'a-{fingerprint(cfg)}'


def test_without_it_the_folder_is_that_of_the_old_images(root, monkeypatch):
    monkeypatch.setattr('mmsemiloc.study.runs.data_fingerprint', lambda cfg: '')
    before = fingerprint(make_config(root))
    touch(root / 'images/dog/1.jpg')
    assert fingerprint(make_config(root)) == before


def test_what_is_not_read_does_not_count(root):
    before = fingerprint(make_config(root))
    for name in (
        'images/.DS_Store',
        'images/.ipynb_checkpoints/1.jpg',
        'images/Thumbs.db',
        'db/lock.mdb',
        'other.txt',
    ):
        touch(root / name)
    os.utime(root / 'list.txt')  # the same content
    os.utime(root / 'prior.json')
    assert fingerprint(make_config(root)) == before


def test_only_listed_images_count_with_a_list(root):
    dataset = dict(data_root=str(root), data_prefix='images', ann_file='list.txt')
    before = data_fingerprint(dict(dataset=dataset))
    touch(root / 'images/bird/1.jpg')
    assert data_fingerprint(dict(dataset=dataset)) == before
    touch(root / 'images/cat/1.jpg')
    assert data_fingerprint(dict(dataset=dataset)) != before


@pytest.mark.parametrize('content', ['{"images": []}', '000001\n000002\n'])
def test_lists_of_other_formats_count_all_images(root, content):
    (root / 'list.txt').write_text(content)
    dataset = dict(data_root=str(root), data_prefix=dict(img='images'), ann_file='list.txt')
    before = data_fingerprint(dataset)
    touch(root / 'images/cat/deep/2.jpg')
    assert data_fingerprint(dataset) != before


def test_splits_of_imagenet(root):
    dataset = dict(type='ImageNet', data_root=str(root), split='val')
    before = data_fingerprint(dataset)
    touch(root / 'val/cat/1.jpg')
    after = data_fingerprint(dataset)
    touch(root / 'meta/val.txt')
    (root / 'meta/val.txt').write_text('cat/1.jpg 0\n')
    assert len({before, after, data_fingerprint(dataset)}) == 3


def test_a_config_without_files_keeps_its_fingerprint(monkeypatch):
    digits = Config.fromfile('configs/digits/digits_ce.py')
    assert data_fingerprint(digits) == '' and fingerprint(digits) == fingerprint(digits)
    with_files = fingerprint(digits)
    monkeypatch.setattr('mmsemiloc.study.runs.data_fingerprint', lambda cfg: '')
    assert fingerprint(digits) == with_files
    assert (
        data_fingerprint(
            dict(
                data_root='/nowhere',
                ann_file='x.txt',
                load_from='http://x/y.pth',
                prior='labeled',
                classes=['a'],
                data_prefix=None,
                split=3,
            )
        )
        == ''
    )


def test_the_time_of_5000_images(root):
    for folder in range(10):
        (root / 'images' / f'c{folder}').mkdir()
        for i in range(500):
            (root / 'images' / f'c{folder}' / f'{i}.jpg').touch()
    start = time.process_time()
    fingerprint(make_config(root))
    assert time.process_time() - start < 1


def test_outputs_do_not_count(root, monkeypatch):
    monkeypatch.chdir(root)
    cfg = dict(
        work_dir='images', hooks=dict(out_dir='boxes', type='images'), text=json.dumps('list.txt')
    )
    assert data_files.data_fingerprint(cfg) == ''
    shutil.rmtree('boxes')
