import hashlib
import shutil
from collections import Counter
from importlib.util import find_spec

import numpy as np
import pytest
from PIL import Image

from mmsemiloc.datasets import ELPV, SemiSupDataset
from mmsemiloc.datasets.elpv import SPLITS, Cell, read_cells, split_cells
from mmsemiloc.registry import DATASETS

KINDS = [(probability, kind) for probability in (0, 1 / 3, 2 / 3, 1) for kind in ('mono', 'poly')]
PIPELINE = [dict(type='LoadImageFromFile'), dict(type='PackInputs')]
installed = pytest.mark.skipif(
    find_spec('elpv_dataset') is None, reason='elpv-dataset is not installed'
)


def write_cells(folder, per_kind=20):
    """A folder as the package has it, with grey images of 30 x 30."""
    (folder / 'images').mkdir()
    lines = []
    for i in range(per_kind * len(KINDS)):
        probability, kind = KINDS[i % len(KINDS)]
        name = f'images/cell{i + 1:04d}.png'
        lines.append(f'{name}  {probability!s:20s} {kind}')
        noise = np.random.default_rng(i).integers(0, 256, (30, 30), np.uint8)
        Image.fromarray(noise).save(folder / name)
    (folder / 'labels.csv').write_text('\n'.join(lines) + '\n')


@pytest.fixture(scope='module')
def cells_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp('elpv')
    write_cells(folder)
    return folder


@pytest.fixture
def folder(cells_folder, tmp_path):
    """A copy that a test may spoil."""
    return shutil.copytree(cells_folder, tmp_path / 'elpv')


def names(dataset):
    """File names of the images."""
    infos = (dataset.get_data_info(i) for i in range(len(dataset)))
    return [info['img_path'].rpartition('/')[2] for info in infos]


def test_each_split_has_its_share_of_every_kind(cells_folder):
    for split, share in (('train', 0.6), ('val', 0.15), ('test', 0.25)):
        dataset = ELPV(split, data_root=str(cells_folder))
        infos = [dataset.get_data_info(i) for i in range(len(dataset))]
        kinds = Counter((info['probability'], info['cell_type']) for info in infos)
        assert kinds == dict.fromkeys(KINDS, round(20 * share))
    parts = [names(ELPV(split, data_root=str(cells_folder))) for split in SPLITS]
    assert sorted(sum(parts, [])) == names(ELPV('all', data_root=str(cells_folder)))


def test_a_split_depends_on_names_and_seed_alone(cells_folder):
    cells = read_cells(cells_folder)

    def paths(cells, seed=0):
        return {
            split: {cell.path for cell in part} for split, part in split_cells(cells, seed).items()
        }

    shuffled = [cells[i] for i in np.random.default_rng(0).permutation(len(cells))]
    assert paths(shuffled) == paths(cells)
    assert paths(cells, seed=1) != paths(cells)
    renamed = [Cell(c.line, f'other/{c.path}', c.probability, c.cell_type) for c in cells]
    assert {path[6:] for path in paths(renamed)['test']} != paths(cells)['test']


@pytest.mark.parametrize(
    'threshold, defective', [(0.5, (2 / 3, 1)), (0.3, (1 / 3, 2 / 3, 1)), (0.9, (1,))]
)
def test_the_threshold_makes_the_classes_and_not_the_split(cells_folder, threshold, defective):
    dataset = ELPV(data_root=str(cells_folder), threshold=threshold)
    for i in range(len(dataset)):
        info = dataset.get_data_info(i)
        assert info['gt_label'] == (info['probability'] in defective)
    assert names(dataset) == names(ELPV(data_root=str(cells_folder)))
    assert dataset.metainfo['classes'] == ('functional', 'defective')


def test_images_and_few_labels_in_a_batch(cells_folder):
    cells = dict(
        type='mmsemiloc.ELPV', data_root=str(cells_folder), per_class=2, seed=1, pipeline=PIPELINE
    )
    dataset = SemiSupDataset(cells, dict(cells, labeled=False))
    assert (dataset.num_labeled, dataset.num_unlabeled) == (4, 92)
    assert dataset.labeled_class_counts() == [2, 2]
    dataset.check(2, ELPV('val', data_root=str(cells_folder)))
    first, last = dataset[0], dataset[95]
    assert first['inputs'].shape == (3, 30, 30) and 'gt_label' in first['data_samples']
    assert 'gt_label' not in last['data_samples']
    with pytest.raises(ValueError, match='is labelled image 0 too'):  # negative control
        SemiSupDataset(cells, dict(cells, per_class=None)).check(2)


@pytest.mark.parametrize(
    'line, match',
    [
        (
            'images/cell0002.png high mono',
            "labels.csv, line 2: the probability 'high' is not a number",
        ),
        ('images/cell0002.png nan mono', 'line 2: the probability nan is not between 0 and 1'),
        ('images/cell0002.png 2.0 mono', 'line 2: the probability 2.0 is not between 0 and 1'),
        ('images/cell0002.png 1.0 thin', "line 2: the type must be one of mono, poly, got 'thin'"),
        ('images/cell0002.png,1.0,mono', "line 2: expected 'image probability type' separated by"),
        ('images/cell0001.png 1.0 mono', 'line 2: images/cell0001.png is in line 1 too'),
        ('images/cell9999.png 1.0 mono', 'line 2: there is no image images/cell9999.png$'),
        ('images/Cell0002.png 1.0 mono', r'line 2: there is no image .*but .*/cell0002.png is'),
        ('images/cell0002.png 1.0 \xe9', 'line 2: not UTF-8'),
    ],
)
def test_a_bad_line_is_named(folder, line, match):
    lines = (folder / 'labels.csv').read_text().splitlines()
    (folder / 'labels.csv').write_text('\n'.join([lines[0], line, *lines[2:]]), 'latin-1')
    with pytest.raises(ValueError, match=match) as error:
        ELPV(data_root=str(folder))
    assert '\n' not in str(error.value)


def test_a_folder_without_labels(tmp_path):
    with pytest.raises(ValueError, match='cannot read .*labels.csv: .*No such file'):
        ELPV(data_root=str(tmp_path))
    (tmp_path / 'labels.csv').write_text('\n')
    with pytest.raises(ValueError, match='labels.csv has no images'):
        ELPV(data_root=str(tmp_path))


@pytest.mark.parametrize(
    'kwargs, match',
    [
        (dict(split='dev'), "'dev'"),
        (dict(threshold=1.0), 'threshold must be at least 0 and below 1, got 1.0'),
        (dict(threshold=-0.1), 'got -0.1'),
        (dict(per_class=100), r'ELPV: per_class=100, but class 0 has 48 images'),
    ],
)
def test_bad_arguments(cells_folder, kwargs, match):
    with pytest.raises(ValueError, match=match):
        ELPV(**{'data_root': str(cells_folder), **kwargs})


def test_a_missing_package_is_one_line_with_the_command(monkeypatch):
    monkeypatch.setattr('mmsemiloc.datasets.elpv.find_spec', lambda name: None)
    with pytest.raises(ValueError, match='pip install elpv-dataset') as error:
        DATASETS.build(dict(type='mmsemiloc.ELPV'))
    assert '\n' not in str(error.value)


@installed
def test_the_package_has_the_published_counts():
    dataset = ELPV('all')
    infos = [dataset.get_data_info(i) for i in range(len(dataset))]
    counts = Counter(round(3 * info['probability']) for info in infos)
    assert len(infos) == 2624 and counts == {0: 1508, 1: 295, 2: 106, 3: 715}
    assert Counter(info['cell_type'] for info in infos) == {'mono': 1074, 'poly': 1550}
    assert np.bincount(dataset.get_gt_labels()).tolist() == [1803, 821]


@installed
def test_the_split_of_the_package_is_fixed():
    parts = {split: names(ELPV(split)) for split in SPLITS}
    assert {split: len(part) for split, part in parts.items()} == dict(
        train=1575, val=395, test=654
    )
    assert len(set(sum(parts.values(), []))) == 2624
    found = {
        split: hashlib.sha256('\n'.join(part).encode()).hexdigest()[:16]
        for split, part in parts.items()
    }
    assert found == dict(train='664da60f0e5b5cf2', val='bda762e3fa21f3fd', test='e8c512d35fe2e200')


@installed
def test_an_image_of_the_package():
    known = ELPV(per_class=2, pipeline=PIPELINE)
    assert len(known) == 4 and known[0]['inputs'].shape == (3, 300, 300)
