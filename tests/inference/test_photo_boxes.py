"""Places in the network's input are found in the photo, whatever the test pipeline does."""

import cv2
import numpy as np
import pytest
from mmengine.dataset import Compose

from mmsemiloc.inference.photo_boxes import ToPhoto, measure

PACK = dict(type='PackInputs')
PIPELINES = {
    'nothing': [],
    'imagenet': [dict(type='ResizeEdge', scale=256), dict(type='CenterCrop', crop_size=224)],
    'pillow': [
        dict(type='ResizeEdge', scale=256, backend='pillow', interpolation='bicubic'),
        dict(type='CenterCrop', crop_size=224),
    ],
    'resize': [dict(type='Resize', scale=(100, 60))],
    'letter box': [
        dict(type='Resize', scale=(64, 64), keep_ratio=True),
        dict(type='Pad', size=(64, 64)),
    ],
    'efficientnet': [dict(type='EfficientNetCenterCrop', crop_size=96)],
    'normalised': [
        dict(type='ResizeEdge', scale=64),
        dict(type='Normalize', mean=[1, 2, 3], std=[4, 5, 6]),
    ],
    'mirrored and inverted': [dict(type='RandomFlip', prob=1.0), dict(type='Invert', prob=1.0)],
    'torchvision': [
        dict(type='NumpyToPIL'),
        dict(type='torchvision/Resize', size=60),
        dict(type='torchvision/CenterCrop', size=50),
        dict(type='PILToNumpy'),
    ],
}


def loaded(image):
    return dict(img=image, img_shape=image.shape[:2], ori_shape=image.shape[:2])


@pytest.mark.parametrize('name', PIPELINES)
@pytest.mark.parametrize('size', [(375, 500), (500, 375), (48, 40), (1200, 1600)])
def test_a_mark_is_found_where_it_was(name, size):
    """A rectangle in the photo, seen by the network, and taken back."""
    height, width = size
    pipeline = Compose([*PIPELINES[name], PACK])
    photo = np.zeros((*size, 3), np.uint8)
    black = pipeline(loaded(photo.copy()))['inputs'].float().mean(0).numpy()
    expected = [round(0.4 * width), round(0.45 * height), round(0.6 * width), round(0.7 * height)]
    photo[expected[1] : expected[3], expected[0] : expected[2]] = 255
    seen = pipeline(loaded(photo))['inputs'].float().mean(0).numpy()
    inside = np.abs(seen - black) > np.abs(seen - black).max() / 2
    box = cv2.boundingRect(inside.astype(np.uint8))
    places = measure(
        pipeline, loaded(np.random.default_rng(0).integers(0, 256, photo.shape, dtype=np.uint8))
    )
    found = places.box([box[0], box[1], box[0] + box[2], box[1] + box[3]])
    step = max(map(abs, places.scale))
    np.testing.assert_allclose(found, expected, atol=1 + step)


@pytest.mark.parametrize(
    'transform',
    [
        dict(type='Rotate', angle=20.0, prob=1.0),
        dict(type='RandomResizedCrop', scale=64),
        dict(type='RandomCrop', crop_size=100),
        dict(type='Shear', magnitude=0.3, prob=1.0),
    ],
)
def test_places_that_cannot_be_told(transform):
    photo = np.zeros((300, 400, 3), np.uint8)
    assert measure(Compose([transform, PACK]), loaded(photo)) is None


def test_grey_photos_and_transforms_that_fail():
    assert (
        measure(
            Compose([dict(type='Resize', scale=(20, 20)), PACK]),
            loaded(np.zeros((40, 40), np.uint8)),
        )
        is not None
    )

    def fails(results):
        raise KeyError('needs more')

    assert measure(Compose([fails]), loaded(np.zeros((40, 40, 3), np.uint8))) is None


def test_boxes_are_cut_off_at_the_border():
    places = ToPhoto((-2.0, 0.5), (30.0, -1.0), (25, 40))
    assert places.box([0, 0, 10, 100]) == [10, 0, 25, 40]
