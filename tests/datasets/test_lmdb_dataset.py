import lmdb
import pytest

from mmsemiloc.datasets import LmdbDataset, SemiSupDataset
from mmsemiloc.datasets.images.errors import UnreadableImageError
from tests.datasets.conftest import PIPELINE, load_names, save_image


@pytest.fixture
def db(tmp_path):
    """Four images under the keys x/0.jpg ... x/3.jpg."""
    return write_db(tmp_path, 4)


def write_db(folder, count, **more):
    path = str(folder / 'images.lmdb')
    with lmdb.open(path, map_size=2**24) as env, env.begin(write=True) as transaction:
        for i in range(count):
            save_image(folder / 'image.jpg', seed=i)
            transaction.put(f'x/{i}.jpg'.encode(), (folder / 'image.jpg').read_bytes())
        for key, value in more.items():
            transaction.put(key.encode(), value)
    return path


def make(path, **kwargs):
    load = {**PIPELINE[0], 'backend_args': dict(backend='lmdb', db_path=path)}
    return LmdbDataset(path, pipeline=[load, PIPELINE[1]], serialize_data=False, **kwargs)


def write_list(folder, *lines):
    (folder / 'list.txt').write_text('\n'.join(lines) + '\n')
    return dict(
        ann_file=str(folder / 'list.txt'), with_label=True, metainfo=dict(classes=('a', 'b'))
    )


@pytest.mark.parametrize('workers', [0, 2])
def test_all_keys_without_a_list_and_labelled_ones_from_a_list(db, tmp_path, workers):
    dataset = SemiSupDataset(
        make(db, **write_list(tmp_path, 'x/2.jpg 1', 'x/0.jpg 0')), make(db), allow_overlap=True
    )
    assert dataset.labels().tolist() == [1, 0]
    assert load_names(dataset, workers) == [f'{i}.jpg' for i in (2, 0, 0, 1, 2, 3)]
    assert 'gt_label' not in dataset[5]['data_samples']


def test_overlap_is_found_by_key_and_only_in_the_same_lmdb(db, tmp_path):
    labeled = make(db, **write_list(tmp_path, 'x/2.jpg 1'))
    with pytest.raises(
        ValueError, match=r'unlabelled image 2 of 4 .x/2.jpg. is labelled image 0 too'
    ):
        SemiSupDataset(labeled, make(db)).check(2)
    (tmp_path / 'other').mkdir()
    SemiSupDataset(labeled, make(write_db(tmp_path / 'other', 4))).check(2)


@pytest.mark.parametrize('workers', [0, 2])
def test_faults_follow_the_policy(tmp_path, workers):
    path = write_db(tmp_path, 2, **{'x/1a.jpg': b'hello'})
    labeled = make(path, **write_list(tmp_path, 'x/0.jpg 0', 'x/9.jpg 1'))
    with pytest.raises(UnreadableImageError, match=r'labelled image 1 of 2 .x/9.jpg.: no such key'):
        load_names(SemiSupDataset(labeled), workers)
    dataset = SemiSupDataset(labeled, make(path), faults=dict(action='skip', budget=2))
    assert load_names(dataset, workers) == ['0.jpg', '0.jpg', '0.jpg', '1.jpg', '0.jpg']


def test_bad_lmdbs_and_lists(db, tmp_path):
    with pytest.raises(ValueError, match='cannot read LMDB .*nothing'):
        LmdbDataset(str(tmp_path / 'nothing'))
    with pytest.raises(ValueError, match='has no labels'):
        LmdbDataset(db, with_label=True)
    with pytest.raises(ValueError, match="list.txt, line 1: 'x/0.jpg': it has no label"):
        make(db, **write_list(tmp_path, 'x/0.jpg'))
    with pytest.raises(
        ValueError, match='list.txt, line 2: x/1.jpg has label 2, but there are 2 classes'
    ):
        make(db, **write_list(tmp_path, 'x/0.jpg 0', 'x/1.jpg 2'))
    (tmp_path / 'empty').mkdir()
    with pytest.raises(ValueError, match='has no images'):
        LmdbDataset(write_db(tmp_path / 'empty', 0))
    (tmp_path / 'letters').mkdir()
    with pytest.raises(ValueError, match=r"key b'\\xc3\\xb8.jpg' is not ASCII"):
        LmdbDataset(write_db(tmp_path / 'letters', 0, **{'ø.jpg': b''}))


def test_keys_that_are_no_images_are_left_out_with_one_line_a_kind(tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(
        'mmsemiloc.datasets.image_folders.print_log', lambda text, **kwargs: said.append(text)
    )
    others = {'__MACOSX/x/._0.jpg': b'', '.DS_Store': b'', 'num-samples': b'2', 'x/notes.txt': b''}
    path = write_db(tmp_path, 2, **others)
    assert [info['img_path'] for info in make(path).load_data_list()] == ['x/0.jpg', 'x/1.jpg']
    assert said[-2:] == [
        f'2 hidden or foreign files or folders in LMDB {path} are left out: .DS_Store (1), '
        '__MACOSX (1)',
        f'2 files in LMDB {path} are not images by their ending and are left out: '
        'none (1), .txt (1)',
    ]


def test_keys_without_endings(tmp_path):
    (tmp_path / 'keys').mkdir()
    path = write_db(tmp_path / 'keys', 0, **{'000': b'', '001': b''})
    with pytest.raises(
        ValueError, match=r"none of 2 keys .* for example '000': extensions=\('',\)"
    ):
        make(path)
    assert len(make(path, extensions=('',))) == 2
