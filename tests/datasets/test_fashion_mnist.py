import gzip
import hashlib
from pathlib import Path

import numpy as np
import pytest

from mmsemiloc.datasets import FashionMNIST, GrayToBGR, SemiSupDataset
from mmsemiloc.datasets.fashion_mnist import DEBIAN, last_of_class, read_idx
from mmsemiloc.registry import DATASETS, TRANSFORMS

PIPELINE = [dict(type='mmsemiloc.GrayToBGR'), dict(type='PackInputs')]
installed = pytest.mark.skipif(
    not Path(DEBIAN, 'train-images-idx3-ubyte.gz').is_file(),
    reason='dataset-fashion-mnist is not installed',
)


def idx(array):
    """The bytes of an idx file."""
    head = bytes([0, 0, 8, array.ndim]) + b''.join(size.to_bytes(4, 'big') for size in array.shape)
    return head + array.astype(np.uint8).tobytes()


def write_files(folder, packed=True, counts=(40, 20)):
    """The four files, with classes in turn and images of random numbers; these by file name."""
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    arrays = {}
    for part, count in zip(('train', 't10k'), counts, strict=True):
        arrays[f'{part}-images-idx3-ubyte'] = rng.integers(0, 256, (count, 28, 28), np.uint8)
        arrays[f'{part}-labels-idx1-ubyte'] = np.arange(count, dtype=np.uint8) % 10
    for name, array in arrays.items():
        content = gzip.compress(idx(array)) if packed else idx(array)
        (folder / (f'{name}.gz' if packed else name)).write_bytes(content)
    return arrays


@pytest.fixture(autouse=True)
def two_for_validation(request, monkeypatch):
    """2 validation images of each class, but for the real data."""
    if 'installed' not in request.keywords and 'real' not in request.node.name:
        monkeypatch.setattr('mmsemiloc.datasets.fashion_mnist.VAL_PER_CLASS', 2)


@pytest.mark.parametrize('packed', [True, False])
def test_images_and_labels_are_those_of_the_files(tmp_path, packed):
    arrays = write_files(tmp_path / 'data', packed)
    before = sorted((tmp_path / 'data').iterdir())
    for split, part, chosen in (
        ('train', 'train', range(20)),
        ('val', 'train', range(20, 40)),
        ('test', 't10k', range(20)),
    ):
        dataset = FashionMNIST(str(tmp_path / 'data'), split)
        assert len(dataset) == len(chosen)
        for i, place in enumerate(chosen):
            info = dataset.get_data_info(i)
            assert np.array_equal(info['img'], arrays[f'{part}-images-idx3-ubyte'][place])
            assert info['gt_label'] == arrays[f'{part}-labels-idx1-ubyte'][place]
    assert sorted((tmp_path / 'data').iterdir()) == before  # nothing is written
    assert len(dataset.metainfo['classes']) == 10


def test_agrees_with_mmpretrain_on_unpacked_files(tmp_path):
    import mmpretrain.datasets

    write_files(tmp_path / 'data', packed=False)
    stock = mmpretrain.datasets.FashionMNIST(
        str(tmp_path / 'data'), split='test', test_mode=True, download=False
    )
    ours = FashionMNIST(str(tmp_path / 'data'), 'test')
    assert stock.metainfo == ours.metainfo and len(stock) == len(ours)
    for i in range(len(stock)):
        assert np.array_equal(stock[i]['img'], ours[i]['img'])
        assert stock[i]['gt_label'] == ours[i]['gt_label']


def test_validation_images_are_the_last_of_each_class():
    labels = np.array([0, 1, 0, 1, 1, 0, 2])
    assert np.flatnonzero(last_of_class(labels, 2)).tolist() == [2, 3, 4, 5, 6]
    assert not last_of_class(labels[:0], 2).any()


def test_few_labels_in_a_batch_have_three_channels(tmp_path):
    write_files(tmp_path / 'data')
    clothes = dict(
        type='mmsemiloc.FashionMNIST',
        data_root=str(tmp_path / 'data'),
        per_class=1,
        pipeline=PIPELINE,
    )
    dataset = SemiSupDataset(clothes, dict(clothes, labeled=False))
    dataset.check(10, FashionMNIST(str(tmp_path / 'data'), 'val'))
    assert (dataset.num_labeled, dataset.num_unlabeled) == (10, 10)
    images = {dataset[i]['inputs'].numpy().tobytes() for i in range(20)}
    assert len(images) == 20  # no labelled image is an unlabelled one
    assert dataset[0]['inputs'].shape == (3, 28, 28)
    assert (
        'gt_label' in dataset[9]['data_samples'] and 'gt_label' not in dataset[10]['data_samples']
    )


def test_our_scope_has_our_class():
    assert DATASETS.get('FashionMNIST') is FashionMNIST


def test_missing_files_are_downloaded_only_if_asked(tmp_path, monkeypatch):
    empty = tmp_path / 'data'
    with pytest.raises(ValueError, match='train-images.*: apt-get install dataset-fashion-mnist'):
        FashionMNIST(str(empty))
    monkeypatch.setattr(
        FashionMNIST, '_download', lambda self: write_files(Path(self.data_prefix['root']), False)
    )
    assert len(FashionMNIST(str(empty), download=True)) == 20
    monkeypatch.delattr(FashionMNIST, '_download')  # not asked for again
    assert len(FashionMNIST(str(empty), 'test', download=True)) == 20


def spoil(folder, name, content):
    (folder / f'{name}.gz').write_bytes(content)


@pytest.mark.parametrize(
    'name, content, match',
    [
        ('train-images-idx3-ubyte', b'no gzip', 'cannot unpack .*train-images.*gz: '),
        ('train-images-idx3-ubyte', gzip.compress(b'x' * 99)[:-9], 'cannot unpack .*train-images'),
        (
            'train-images-idx3-ubyte',
            gzip.compress(b'x' * 99),
            'is not an idx file of bytes with 3 dim',
        ),
        ('train-images-idx3-ubyte', gzip.compress(b''), 'is not an idx file of bytes with 3 dim'),
        (
            'train-images-idx3-ubyte',
            gzip.compress(idx(np.zeros((40, 28, 28)))[:-1]),
            r'should have 31376 bytes \(shape \(40, 28, 28\)\), but has 31375: it is cut off',
        ),
        (
            'train-labels-idx1-ubyte',
            gzip.compress(idx(np.zeros(39))),
            'has 40 images but 39 labels of one split',
        ),
        (
            'train-labels-idx1-ubyte',
            gzip.compress(idx(np.full(40, 10))),
            'label 10 of image 0 is not one of the 10 classes',
        ),
    ],
)
def test_a_damaged_file_is_named(tmp_path, name, content, match):
    write_files(tmp_path / 'data')
    spoil(tmp_path / 'data', name, content)
    with pytest.raises(ValueError, match=match) as error:
        FashionMNIST(str(tmp_path / 'data'))
    assert '\n' not in str(error.value)


def test_unknown_split(tmp_path):
    with pytest.raises(ValueError, match="split must be one of .*'dev'"):
        FashionMNIST(str(tmp_path), 'dev')


def test_grey_becomes_three_channels_and_colour_stays():
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4)
    to_bgr = TRANSFORMS.build(dict(type='mmsemiloc.GrayToBGR'))
    assert isinstance(to_bgr, GrayToBGR)
    for image in (grey, grey[..., None]):
        out = to_bgr(dict(img=image))['img']
        assert out.shape == (3, 4, 3) and out.dtype == np.uint8
        assert all(np.array_equal(out[..., channel], grey) for channel in range(3))
    colour = np.random.default_rng(0).integers(0, 256, (3, 4, 3))
    assert np.array_equal(to_bgr(dict(img=colour))['img'], colour)
    with pytest.raises(ValueError, match=r'needs 1 or 3 channels, got shape \(3, 4, 2\)'):
        to_bgr(dict(img=colour[..., :2]))


@installed
def test_real_files_have_the_published_counts():
    for name, shape in (
        ('train-images-idx3-ubyte.gz', (60000, 28, 28)),
        ('t10k-labels-idx1-ubyte.gz', (10000,)),
    ):
        assert read_idx(Path(DEBIAN, name), len(shape)).shape == shape


@installed
def test_real_splits_and_draws_are_fixed():
    counts = {'train': 5500, 'val': 500}
    parts = {split: FashionMNIST(split=split) for split in counts}
    for split, count in counts.items():
        assert np.bincount(parts[split].get_gt_labels()).tolist() == [count] * 10

    def digest(dataset):
        images = (dataset.get_data_info(i)['img'].tobytes() for i in range(len(dataset)))
        return hashlib.sha256(b''.join(images)).hexdigest()[:16]

    assert digest(parts['val']) == '60465f61b0ad8a81'
    drawn = FashionMNIST(per_class=4, seed=0)
    assert (
        np.bincount(drawn.get_gt_labels()).tolist() == [4] * 10
        and digest(drawn) == 'f87112b0f795a034'
    )
