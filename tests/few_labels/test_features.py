"""Features of images: functions of seed and content, computed once."""

import numpy as np
import pytest
import torch

from mmsemiloc.few_labels.features import FeatureExtractor
from mmsemiloc.few_labels.image_views import Views, content_key
from tests.datasets.conftest import save_image

MODEL = dict(
    type='mmsemiloc.SemiSupClassifier',
    data_preprocessor=dict(mean=[127] * 3, std=[128] * 3, to_rgb=True, num_classes=2),
    backbone=dict(type='ResNet', depth=18, base_channels=8, stem_channels=8),
    head=dict(type='mmsemiloc.CAMClsHead', num_classes=2, in_channels=64),
)
WEAK = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(32, 32)),
    dict(type='PackInputs'),
]
STRONG = [
    dict(type='LoadImageFromFile'),
    dict(type='RandomResizedCrop', scale=32),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackInputs'),
]


@pytest.fixture
def infos(tmp_path):
    for number in range(5):
        save_image(tmp_path / f'{number}.png', (40, 36 + 4 * (number % 2)), seed=number)
    return [dict(img_path=str(tmp_path / f'{number}.png')) for number in range(5)]


def extractor(cache, seed=0, number=2, **kwargs):
    """One with the same random weights every time."""
    torch.manual_seed(0)
    return FeatureExtractor(MODEL, Views(WEAK, STRONG, number, seed), cache, **kwargs)


def test_features_are_those_of_the_model(infos, tmp_path):
    made = extractor(tmp_path / 'cache')
    found = made.extract(infos)
    features = made.features(found.keys)
    assert features.shape == (3, 5, 64) and found.computed == 15

    for place, info in enumerate(infos):
        image = made.views.pipelines()[1][0](made.views.pipelines()[0](dict(info)))['inputs']
        inputs = made.model.data_preprocessor(dict(inputs=image[None]))['inputs']
        with torch.no_grad():
            expected = made.model.extract_feat(inputs)[-1].mean((2, 3))[0]
        np.testing.assert_allclose(features[0, place], expected, rtol=1e-4, atol=1e-5)


def test_nothing_is_computed_twice(infos, tmp_path):
    first = extractor(tmp_path / 'cache')
    expected = first.features(first.extract(infos).keys)
    again = extractor(tmp_path / 'cache')
    found = again.extract(infos)
    assert found.computed == 0
    np.testing.assert_array_equal(again.features(found.keys), expected)


@pytest.mark.parametrize('workers', [0, 2])
def test_views_do_not_depend_on_order_workers_or_what_was_there(infos, tmp_path, workers):
    first = extractor(tmp_path / 'one')
    expected = first.features(first.extract(infos).keys)

    # Two of the images before the others, in another order.
    second = extractor(tmp_path / 'two')
    second.extract(infos[3:2:-1])
    found = second.extract(infos[::-1], workers=workers)
    np.testing.assert_allclose(second.features(found.keys)[:, ::-1], expected, rtol=1e-4, atol=1e-5)


def test_another_seed_gives_other_strong_views_and_the_same_weak_one(infos, tmp_path):
    """Negative control of the test above."""
    one, two = extractor(tmp_path / 'cache', seed=0), extractor(tmp_path / 'cache', seed=1)
    first, second = (made.features(made.extract(infos).keys) for made in (one, two))
    np.testing.assert_array_equal(first[0], second[0])
    assert np.abs(first[1:] - second[1:]).max() > 1e-3


def test_other_weights_have_a_folder_of_their_own(infos, tmp_path):
    first = extractor(tmp_path / 'cache')
    torch.manual_seed(1)
    second = FeatureExtractor(MODEL, Views(WEAK), tmp_path / 'cache')
    assert first.folder != second.folder


def test_a_moved_file_is_the_same_image_and_a_changed_one_is_not(infos, tmp_path):
    key = content_key(infos[0])
    moved = tmp_path / 'moved.png'
    moved.write_bytes((tmp_path / '0.png').read_bytes())
    assert content_key(dict(img_path=str(moved))) == key
    moved.write_bytes(moved.read_bytes() + b'x')
    assert content_key(dict(img_path=str(moved))) != key


def test_arrays_are_told_apart_by_their_shape_too(tmp_path):
    image = np.zeros((2, 8, 3), np.uint8)
    assert content_key(dict(img=image)) != content_key(dict(img=image.reshape(4, 4, 3)))


def test_what_cannot_be_read_is_named_and_the_others_are_there(infos, tmp_path):
    (tmp_path / '1.png').write_bytes(b'no picture')
    made = extractor(tmp_path / 'cache')
    found = made.extract([*infos, dict(img_path=str(tmp_path / 'missing.png'))])
    assert set(found.faults) == {1, 5} and found.keys[1] is None and found.keys[0] is not None
    assert 'missing.png' in found.faults[5]


def test_maps_are_kept_in_half_precision(infos, tmp_path):
    pooled, maps = extractor(tmp_path / 'cache'), extractor(tmp_path / 'cache', maps=True)
    keys = maps.extract(infos).keys
    pooled.extract(infos)
    assert maps.features(keys).shape == (3, 5, 64, 1, 1)
    np.testing.assert_allclose(
        maps.features(keys).mean((3, 4)), pooled.features(keys), rtol=1e-2, atol=1e-2
    )
