"""Each way in which an image file can be broken, under each policy, with and without worker
processes.
"""

import contextlib
import struct
import zlib

import numpy as np
import pytest
from mmpretrain.datasets import CustomDataset
from PIL import Image

from mmsemiloc.datasets import DigitScenes, SemiSupDataset
from mmsemiloc.datasets.contents import describe
from mmsemiloc.datasets.images.errors import UnreadableImageError
from mmsemiloc.datasets.images.fault_policy import FaultPolicy
from tests.datasets.conftest import GOOD, PIPELINE, load_names, save_image


def truncate(path):
    path.write_bytes(path.read_bytes()[:-100])


def directory(path):
    path.unlink()
    path.mkdir()


def huge(path):
    """A PNG that says that it has 40,000 x 40,000 pixels."""

    def chunk(kind, data):
        return (
            struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
        )

    header = chunk(b'IHDR', struct.pack('>IIBBBBB', 40000, 40000, 8, 2, 0, 0, 0))
    path.write_bytes(
        b'\x89PNG\r\n\x1a\n' + header + chunk(b'IDAT', zlib.compress(b'')) + chunk(b'IEND', b'')
    )


FAULTS = {  # how to break a file, and the cause that is named
    'missing': (lambda path: path.unlink(), 'FileNotFoundError: .*No such file'),
    'empty': (lambda path: path.write_bytes(b''), 'the file is empty'),
    'truncated': (truncate, 'no image, or a damaged one'),
    'not an image': (lambda path: path.write_text('hello'), 'no image of a known format'),
    'directory': (directory, 'IsADirectoryError: '),
    'huge': (huge, '40000 x 40000 pixels are more than .*max_pixels=268435456'),
}
every_fault = pytest.mark.parametrize('fault', FAULTS)
every_kind = pytest.mark.parametrize('kind', ['labeled', 'unlabeled'])
with_and_without_workers = pytest.mark.parametrize('workers', [0, 2])


def break_images(sources, kind, fault, places):
    for place in places:
        FAULTS[fault][0](sources.root / kind / f'ø {place}.jpg')


@every_fault
@every_kind
@with_and_without_workers
def test_raise_names_source_index_file_and_cause(sources, fault, kind, workers):
    break_images(sources, kind, fault, [4])
    source = 'labelled' if kind == 'labeled' else 'unlabelled'
    with pytest.raises(
        UnreadableImageError,
        match=f'cannot read {source} image 4 of 6 .*{kind}/ø 4.jpg.: {FAULTS[fault][1]}',
    ):
        load_names(sources.build(), workers)


@every_fault
@every_kind
@with_and_without_workers
def test_skip_takes_the_next_image_of_the_source_and_counts(sources, fault, kind, workers):
    break_images(sources, kind, fault, [2, 5])
    dataset = sources.build(faults=dict(action='skip', budget=2))
    names = [f'ø {i}.jpg' for i in range(GOOD)]
    replaced = [f'ø {i}.jpg' for i in (0, 1, 3, 3, 4, 0)]
    assert load_names(dataset, workers) == (
        replaced + names if kind == 'labeled' else names + replaced
    )
    assert dataset.faults.num_skipped == 2
    load_names(dataset, workers)
    assert dataset.faults.num_skipped == 2  # the same ones


@every_fault
@with_and_without_workers
def test_past_the_budget_it_is_an_error(sources, fault, workers):
    break_images(sources, 'unlabeled', fault, [0, 3])
    dataset = sources.build(faults=dict(action='skip', budget=1))
    for _ in range(2):  # also the second time
        with pytest.raises(
            UnreadableImageError, match='ø [03].jpg.*2 unreadable images, but only 1 are tolerated'
        ):
            load_names(dataset, workers)


def test_one_of_two_workers_that_pass_the_budget_at_once_is_stopped(monkeypatch):
    """The second one comes right after the first one has counted."""
    policy = FaultPolicy('skip', budget=1)
    policy.prepare(6)
    count, passed = FaultPolicy.num_skipped.fget, []

    def handle(index):
        with contextlib.suppress(UnreadableImageError):
            policy.handle(index, f'image {index}', OSError('cut off'))
            passed.append(index)

    def count_and_let_the_other_come(self):
        counted = count(self)
        monkeypatch.setattr(FaultPolicy, 'num_skipped', property(count))
        handle(3)
        return counted

    monkeypatch.setattr(FaultPolicy, 'num_skipped', property(count_and_let_the_other_come))
    handle(0)
    assert passed == [0] and policy.num_skipped == 1


def test_an_image_that_two_workers_meet_at_once_counts_once():
    policy = FaultPolicy('skip', budget=1)
    policy.prepare(6)
    for _ in range(2):
        policy.handle(3, 'image 3', OSError('cut off'))
    assert policy.num_skipped == 1


def test_each_skipped_image_is_logged_once(sources, monkeypatch):
    messages = []
    monkeypatch.setattr(
        'mmsemiloc.datasets.images.fault_policy.print_log',
        lambda message, **kwargs: messages.append(message),
    )
    break_images(sources, 'labeled', 'missing', [1])
    dataset = sources.build(faults=dict(action='skip', budget=3))
    load_names(dataset, 0), load_names(dataset, 0)
    assert (
        len(messages) == 1
        and 'labelled image 1 of 6' in messages[0]
        and '1 of 3 tolerated' in messages[0]
    )


def test_a_source_without_any_readable_image_ends(sources):
    break_images(sources, 'labeled', 'missing', range(GOOD))
    dataset = sources.build(faults=dict(action='skip', budget=100))
    with pytest.raises(
        UnreadableImageError, match='no image can be read, last of all labelled image 2 of 6'
    ):
        dataset[3]


def test_errors_of_the_program_are_not_skipped(sources, monkeypatch):
    dataset = sources.build(faults=dict(action='skip', budget=100))
    monkeypatch.setattr(dataset.datasets[0], 'prepare_data', lambda idx: {}['typo'])
    with pytest.raises(KeyError, match='typo'):
        dataset[0]


@pytest.mark.parametrize(
    'kwargs, match',
    [
        (dict(action='ignore'), "'ignore'"),
        (dict(action='skip', budget=-1), 'got -1'),
        (dict(budget=3), "got 3 for 'raise'"),
    ],
)
def test_bad_policies(kwargs, match):
    with pytest.raises(ValueError, match=match):
        FaultPolicy(**kwargs)


@pytest.mark.parametrize('faults', [None, dict(action='skip', budget=5)], ids=['raise', 'skip'])
@with_and_without_workers
def test_very_small_and_large_images_are_no_faults(sources, faults, workers):
    """They pass through the pipeline of ImageNet."""
    save_image(sources.root / 'unlabeled' / 'ø 0.jpg', (1, 1))
    save_image(sources.root / 'unlabeled' / 'ø 1.jpg', (3000, 2500))
    pipeline = [
        PIPELINE[0],
        dict(type='ResizeEdge', scale=256, edge='short'),
        dict(type='RandomCrop', crop_size=224),
        PIPELINE[1],
    ]
    dataset = SemiSupDataset(
        sources.config('labeled'),
        {**sources.config('unlabeled'), 'pipeline': pipeline},
        faults=faults,
    )
    assert load_names(dataset, workers)[GOOD : GOOD + 2] == ['ø 0.jpg', 'ø 1.jpg']
    assert dataset[GOOD]['inputs'].shape == dataset[GOOD + 1]['inputs'].shape == (3, 224, 224)
    assert dataset.faults.num_skipped == 0


def test_images_of_all_modes_and_sizes_become_rgb(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (30, 20, 3), dtype=np.uint8)
    rgb, exif = Image.fromarray(pixels), Image.Exif()
    exif[274] = 6  # rotated by a quarter
    pictures = {
        'grey.png': rgb.convert('L'),
        'palette.png': rgb.quantize(16),
        'cmyk.jpg': rgb.convert('CMYK'),
        'alpha.png': rgb.convert('RGBA'),
        '16bit.png': Image.fromarray(pixels[..., 0].astype(np.uint16) * 256),
        'one.png': rgb.crop((0, 0, 1, 1)),
        'rgb.png': rgb,
    }
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
            assert np.array_equal(item['inputs'].numpy()[::-1].transpose(1, 2, 0), pixels), (
                name
            )  # BGR, as in MMPretrain
    assert shapes.pop('one.png') == (3, 1, 1) and shapes.pop('exif.jpg') == (3, 20, 30)
    assert set(shapes.values()) == {(3, 30, 20)} and len(shapes) == 6


def test_describe_without_paths():
    assert describe(DigitScenes(num_images=2), 1, 'labelled') == 'labelled image 1 of 2 (no path)'
