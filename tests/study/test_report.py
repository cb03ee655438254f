"""Plots show what they should, and the page is complete and needs nothing else."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from mmsemiloc.study.evaluate import Evaluation, Examples
from mmsemiloc.study.report import Model, make_report
from mmsemiloc.study.tables import Table
from mmsemiloc.visualization.pictures import image_picture
from mmsemiloc.visualization.plots import confusion_plot, curve_plot
from tests.study.conftest import make_result

IMAGES = 3


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert('RGB')).astype(int)


def make_model(title, seed, curves):
    rng = np.random.default_rng(seed)
    examples = Examples(
        rng.integers(0, 256, (IMAGES, 8, 8, 3)).astype(np.uint8),
        rng.normal(size=(IMAGES, 8, 8)),
        np.array([[[1, 1, 5, 6]]] * IMAGES, np.float32),
    )
    evaluation = Evaluation(
        np.array(['<cat>', 'dog']),
        np.array([0, 1, 1, 0]),
        rng.dirichlet(np.ones(2), 4),
        np.array([0.25, np.nan, 0.5, 0.5]),
        np.full(4, 0.2),
        np.full(4, 0.3),
        *np.zeros((2, 3, 128), np.uint8),
        examples,
    )
    result = make_result(title, 0, 50.0, split='test', curves=curves)
    return Model(title, result, evaluation, f'config of {title} <b>')


@pytest.fixture(scope='module')
def page():
    shared = {'loss_ce': [[1, 2.0], [2, 1.0]], 'lr': [[1, 0.1]]}
    full = {**shared, 'loss_mel': [[1, 0.1], [2, 0.2]], 'loss_new': [[1, 1.0]]}
    table = Table('test', ['model', 'accuracy %'], [['CE', '50.0'], ['full', '60.0']])
    return make_report(
        'Title', 'What & why', table, [make_model('CE', 0, shared), make_model('full', 1, full)]
    )


def test_the_page_needs_nothing_else(page):
    assert re.search(r'src="data:', page) and not re.search(r'(src|href|srcset)="(?!data:)', page)
    assert not re.search('<script|<link|<iframe|@import|url\\(', page)
    assert 'name="viewport"' in page and 'color-scheme: light dark' in page


def test_the_page_is_complete(page):
    images = re.findall(r'<img alt="([^"]*)" src="data:image/png;base64,([^"]*)"', page)
    names = [name for name, _ in images]
    for index in range(IMAGES):
        assert {f'image {index}', f'CE, image {index}', f'full, image {index}'} <= set(names)
    assert {'confusion matrix of CE', 'confusion matrix of full'} <= set(names)
    curves = re.findall('<code>(.*?)</code>', page)
    assert curves == ['loss_ce', 'loss_mel', 'loss_new']  # also a term that the page does not know
    assert len(images) == 3 * IMAGES + 2 + len(curves)
    assert page.count('<source ') == 2 + len(curves)  # plots with text have a dark version
    for _, data in images:
        Image.open(io.BytesIO(base64.b64decode(data))).verify()
    for text in (
        '60.0',
        '&lt;cat&gt;',
        'What &amp; why',
        'config of full &lt;b&gt;',
        '25% in box',
        'torch',
    ):
        assert text in page
    assert 'nan%' not in page  # an image without a box has no share


def test_the_map_is_bright_where_it_is_strong():
    image = np.full((8, 8, 3), 60, np.uint8)
    cam = np.full((8, 8), -5.0)
    cam[6, 1] = 3.0
    drawn = pixels(image_picture(image, cam)).sum(2)
    side = len(drawn) // 8
    blocks = drawn[: 8 * side, : 8 * side].reshape(8, side, 8, side).mean((1, 3))
    assert np.unravel_index(blocks.argmax(), (8, 8)) == (6, 1)
    assert np.ptp(np.delete(blocks.ravel(), 6 * 8 + 1)) < 60  # negative values do not show
    image_picture(image, np.zeros((8, 8)))  # an empty map has no largest value


def test_the_box_is_drawn_around_its_pixels():
    image = np.zeros((8, 8, 3), np.uint8)
    green = pixels(image_picture(image, boxes=[[2, 4, 6, 8]]))
    green = (green[..., 1] > 150) & (green[..., 0] < 150)
    ys, xs = np.nonzero(green)
    side = len(green) / 8
    assert xs.min() / side == pytest.approx(2, abs=0.15) and xs.max() / side == pytest.approx(
        6, abs=0.15
    )
    assert ys.min() / side == pytest.approx(4, abs=0.15)
    assert not green[int(5 * side) : int(7 * side), int(3 * side) : int(5 * side)].any()


def test_plots_for_light_and_dark_pages_differ():
    lines = {'CE': [[1, 2.0], [2, 1.0]], 'full': []}
    counts = np.eye(3, dtype=int) * 4
    for draw in (
        lambda dark: curve_plot(lines, dark),
        lambda dark: confusion_plot(counts, 'abc', dark),
    ):
        light, dark = draw(False), draw(True)
        assert light[:8] == dark[:8] == b'\x89PNG\r\n\x1a\n' and light != dark
