"""One picture of an image with its map and boxes, alone and in strips that grow by columns."""

import io

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from mmsemiloc.visualization.pictures import (
    HEIGHT,
    TITLE,
    append_column,
    draw_column,
    draw_map,
    image_picture,
    to_bgr,
    to_png,
)

RNG = np.random.default_rng(0)
IMAGE = RNG.integers(0, 256, (16, 16, 3), dtype=np.uint8)
CAM = RNG.normal(size=(16, 16))
BOXES = np.array([[2, 3, 9, 12]])


@pytest.mark.parametrize('cam', [None, CAM])
def test_strips_and_single_pictures_show_the_same(cam):
    column = draw_column(IMAGE, cam, BOXES, 'title')[TITLE:]
    assert np.array_equal(draw_map(IMAGE, cam, BOXES, HEIGHT / 16), column)
    assert not np.array_equal(draw_map(IMAGE, cam, BOXES + 1, HEIGHT / 16), column)

    # Only the line of the box is wider in a single picture.
    png = image_picture(IMAGE[..., ::-1], cam, BOXES, size=HEIGHT)
    single = np.asarray(Image.open(io.BytesIO(png)))[..., ::-1]
    assert np.array_equal(single, draw_map(IMAGE, cam, BOXES, HEIGHT / 16, line=2))
    no_box = np.zeros((0, 4))
    png = image_picture(IMAGE[..., ::-1], cam, no_box, size=HEIGHT)
    single = np.asarray(Image.open(io.BytesIO(png)))[..., ::-1]
    assert np.array_equal(single, draw_column(IMAGE, cam, no_box, 'title')[TITLE:])


def test_an_image_alone_keeps_its_pixels():
    before = IMAGE.copy()
    assert np.array_equal(draw_map(IMAGE, None, np.zeros((0, 4)), 1), IMAGE)
    draw_map(IMAGE, CAM, BOXES, 1)
    assert np.array_equal(IMAGE, before)  # what is given is not drawn on


def test_pixels_share_a_smaller_picture():
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 200
    assert (draw_map(stripes, None, np.zeros((0, 4)), 0.5) == 100).all()


def test_pixels_of_a_pipeline():
    grey = torch.arange(12.0).view(1, 3, 4) * 30
    shown = to_bgr(grey)
    assert shown.shape == (3, 4, 3) and shown.dtype == np.uint8 and shown.max() == 255
    assert np.array_equal(shown[..., 0], grey[0].clamp(0, 255).byte().numpy())
    colors = torch.from_numpy(IMAGE).permute(2, 0, 1).float()
    assert np.array_equal(to_bgr(colors), IMAGE)
    read = cv2.imdecode(np.frombuffer(to_png(IMAGE), np.uint8), cv2.IMREAD_COLOR)
    assert np.array_equal(read, IMAGE)


# --- strips


def test_a_column_shows_the_map_and_the_box():
    image = np.full((8, 16, 3), 60, np.uint8)
    cam = np.full((8, 16), -5.0)
    cam[6, 3] = 3.0
    drawn = draw_column(image, cam, np.zeros((0, 4)), 'x')
    assert drawn.shape == (TITLE + HEIGHT, 2 * HEIGHT, 3)
    blocks = drawn[TITLE:].astype(int).sum(2).reshape(8, HEIGHT // 8, 16, HEIGHT // 8).mean((1, 3))
    assert np.unravel_index(blocks.argmax(), blocks.shape) == (6, 3)
    draw_column(
        image, np.zeros((8, 16)), np.zeros((0, 4)), 'x'
    )  # an empty map has no largest value

    boxed = draw_column(image, None, np.array([[4, 2, 12, 6]]), 'x')[TITLE:]
    ys, xs = np.nonzero(boxed[..., 1] > 200)
    scale = HEIGHT // 8
    assert (xs.min(), xs.max(), ys.min(), ys.max()) == (
        4 * scale,
        12 * scale - 1,
        2 * scale,
        6 * scale - 1,
    )


def test_columns_replace_what_stood_there(tmp_path):
    path = tmp_path / 'strip.png'
    columns = [np.full((20, 10, 3), value, np.uint8) for value in (10, 20, 30, 40)]
    for place in range(3):
        append_column(path, columns[place], place)
    append_column(path, columns[3], 1)
    np.testing.assert_array_equal(cv2.imread(str(path)), np.hstack([columns[0], columns[3]]))
    append_column(path, columns[2], 3)
    assert (cv2.imread(str(path))[:, 20:30] == 255).all()  # a missing column is white
    assert [file.name for file in tmp_path.iterdir()] == ['strip.png']
