"""Each way in which an image file can be broken, under each policy; one of them also with worker processes."""
import numpy as np
import pytest
from mmengine.dataset import pseudo_collate
from mmpretrain.datasets import CustomDataset
from PIL import Image
from torch.utils.data import DataLoader

from mmsemiloc.datasets import SemiSupDataset, semi_sup_dataset
from mmsemiloc.datasets.faults import FaultPolicy, UnreadableImageError

PIPELINE = [dict(type='LoadImageFromFile'), dict(type='PackInputs')]
GOOD = 6


def truncate(path):
    path.write_bytes(path.read_bytes()[:-100])


def directory(path):
    path.unlink()
    path.mkdir()


FAULTS = {  # how to break a file, and the cause that is named
    'missing': (lambda path: path.unlink(), 'FileNotFoundError: .*No such file'),
    'empty': (lambda path: path.write_bytes(b''), 'error: .*empty'),
    'truncated': (truncate, 'AssertionError: failed to load image'),
    'not an image': (lambda path: path.write_text('hello'), 'AssertionError: failed to load image'),
    'directory': (directory, 'IsADirectoryError: '),
}
CASES = [*((fault, 0) for fault in FAULTS), ('truncated', 2)]  # worker processes of a test take seconds to end


def make(tmp_path, kind, broken=(), **kwargs):
    """6 labelled and 6 unlabelled images, some of one kind broken."""
    for part in ('labeled', 'unlabeled'):
        (tmp_path / part).mkdir()
        for i in range(GOOD):
            pixels = np.random.default_rng(i).integers(0, 256, (20, 20, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / part / f'ø {i}.jpg')
    (tmp_path / 'labeled.txt').write_text(''.join(f'ø {i}.jpg {i % 2}\r\n' for i in range(GOOD)))
    (tmp_path / 'unlabeled.txt').write_text(''.join(f'ø {i}.jpg\n' for i in range(GOOD)))
    for place, fault in broken:
        FAULTS[fault][0](tmp_path / kind / f'ø {place}.jpg')
    return SemiSupDataset(
        CustomDataset(data_prefix=str(tmp_path / 'labeled'), ann_file=str(tmp_path / 'labeled.txt'), pipeline=PIPELINE,
                      metainfo=dict(classes=('a', 'b'))),
        CustomDataset(data_prefix=str(tmp_path / 'unlabeled'), ann_file=str(tmp_path / 'unlabeled.txt'), with_label=False,
                      pipeline=PIPELINE), **kwargs)


def paths(dataset, workers):
    """File names of all images in order, loaded with so many worker processes."""
    loader = DataLoader(dataset, batch_size=3, num_workers=workers, collate_fn=pseudo_collate, timeout=30 if workers else 0)
    return [sample.img_path.rpartition('/')[2] for batch in loader for sample in batch['data_samples']]


@pytest.mark.parametrize('fault, workers', CASES)
@pytest.mark.parametrize('kind', ['labeled', 'unlabeled'])
def test_raise_names_source_index_file_and_cause(tmp_path, fault, kind, workers):
    dataset = make(tmp_path, kind, [(4, fault)])
    source = 'labelled' if kind == 'labeled' else 'unlabelled'
    with pytest.raises(UnreadableImageError, match=f'cannot read {source} image 4 of 6 .*{kind}/ø 4.jpg.: {FAULTS[fault][1]}'):
        paths(dataset, workers)


@pytest.mark.parametrize('fault, workers', CASES)
@pytest.mark.parametrize('kind', ['labeled', 'unlabeled'])
def test_skip_takes_the_next_image_of_the_source_and_counts(tmp_path, fault, kind, workers):
    dataset = make(tmp_path, kind, [(2, fault), (5, fault)], faults=dict(action='skip', budget=2))
    names = [f'ø {i}.jpg' for i in range(GOOD)]
    replaced = [f'ø {i}.jpg' for i in (0, 1, 3, 3, 4, 0)]
    assert paths(dataset, workers) == (replaced + names if kind == 'labeled' else names + replaced)
    assert dataset.faults.num_skipped == 2
    paths(dataset, workers)
    assert dataset.faults.num_skipped == 2  # the same ones


@pytest.mark.parametrize('fault, workers', CASES)
def test_past_the_budget_it_is_an_error(tmp_path, fault, workers):
    dataset = make(tmp_path, 'unlabeled', [(0, fault), (3, fault)], faults=dict(action='skip', budget=1))
    with pytest.raises(UnreadableImageError, match='2 unreadable images, but only 1 are tolerated'):
        paths(dataset, workers)


def test_each_skipped_image_is_logged_once(tmp_path, monkeypatch):
    messages = []
    monkeypatch.setattr('mmsemiloc.datasets.faults.print_log', lambda message, **kwargs: messages.append(message))
    dataset = make(tmp_path, 'labeled', [(1, 'missing')], faults=dict(action='skip', budget=3))
    paths(dataset, 0), paths(dataset, 0)
    assert len(messages) == 1 and 'labelled image 1 of 6' in messages[0] and '1 of 3 tolerated' in messages[0]


def test_a_source_without_any_readable_image_ends(tmp_path):
    dataset = make(tmp_path, 'labeled', [(i, 'missing') for i in range(GOOD)], faults=dict(action='skip', budget=100))
    with pytest.raises(UnreadableImageError, match='no labelled image of 6 can be read'):
        dataset[3]


def test_errors_of_the_program_are_not_skipped(tmp_path, monkeypatch):
    dataset = make(tmp_path, 'labeled', faults=dict(action='skip', budget=100))
    monkeypatch.setattr(dataset.datasets[0], 'prepare_data', lambda idx: {}['typo'])
    with pytest.raises(KeyError, match='typo'):
        dataset[0]


@pytest.mark.parametrize('kwargs, match', [(dict(action='ignore'), "'ignore'"), (dict(action='skip', budget=-1), 'got -1'),
                                           (dict(budget=3), "got 3 for 'raise'")])
def test_bad_policies(kwargs, match):
    with pytest.raises(ValueError, match=match):
        FaultPolicy(**kwargs)


def test_images_of_all_modes_and_sizes_become_rgb(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (30, 20, 3), dtype=np.uint8)
    rgb, exif = Image.fromarray(pixels), Image.Exif()
    exif[274] = 6  # rotated by a quarter
    pictures = {
        'grey.png': rgb.convert('L'), 'palette.png': rgb.quantize(16), 'cmyk.jpg': rgb.convert('CMYK'),
        'alpha.png': rgb.convert('RGBA'), '16bit.png': Image.fromarray(pixels[..., 0].astype(np.uint16) * 256),
        'one.png': rgb.crop((0, 0, 1, 1)), 'rgb.png': rgb}
    for name, picture in pictures.items():
        picture.save(tmp_path / name)
    rgb.save(tmp_path / 'exif.jpg', exif=exif)
    folder = CustomDataset(data_prefix=str(tmp_path), with_label=False, pipeline=PIPELINE)
    dataset = SemiSupDataset(folder, folder)
    shapes = {}
    for i in range(dataset.num_labeled, len(dataset)):
        item = dataset[i]
        name = item['data_samples'].img_path.rpartition('/')[2]
        shapes[name] = tuple(item['inputs'].shape)
        if name in ('rgb.png', 'alpha.png'):
            assert np.array_equal(item['inputs'].numpy()[::-1].transpose(1, 2, 0), pixels), name  # BGR, as in MMPretrain
    assert shapes.pop('one.png') == (3, 1, 1) and shapes.pop('exif.jpg') == (3, 20, 30)
    assert set(shapes.values()) == {(3, 30, 20)} and len(shapes) == 6


def test_describe_without_paths():
    assert semi_sup_dataset.describe([1, 2], 1, True) == 'labelled image 1 of 2 (no path)'
