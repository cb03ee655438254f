import io

import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image

from mmsemiloc.commands import browse_batch
from mmsemiloc.models.views import flatten_views
from mmsemiloc.visualization.plots import batch_plot
from tests.conftest import make_batch, make_samples
from tests.tools.conftest import ROOT, run_tool


@pytest.mark.parametrize('to_rgb', [False, True])
def test_normalisation_and_the_order_of_channels_are_undone(to_rgb):
    preprocessor = browse_batch.build_preprocessor(
        Config(
            dict(
                model=dict(
                    data_preprocessor=dict(mean=[100, 110, 120], std=[50, 60, 70], to_rgb=to_rgb)
                )
            )
        )
    )
    bgr = torch.randint(
        0, 256, (2, 3, 5, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    inputs = preprocessor(dict(inputs=list(bgr), data_samples=make_samples([1, None])), True)[
        'inputs'
    ]
    assert np.array_equal(
        browse_batch.to_images(inputs, preprocessor), bgr.flip(1).permute(0, 2, 3, 1).numpy()
    )


def test_titles():
    samples = [*make_samples([1, None, 7]), *make_samples([None])]
    samples[3].set_gt_score(torch.tensor([0.7, 0.3]))
    assert browse_batch.titles_of(samples, ('cat', 'dog')) == ['dog', '', '7', 'cat']


def test_views_of_an_image_stand_side_by_side():
    batch = make_batch([1, None, None])
    batch['data_samples'][1].set_field(torch.zeros(2, 3, 32, 32), 'views')
    batch['data_samples'][2].set_field(torch.zeros(1, 3, 32, 32), 'views')
    _, samples = flatten_views(batch['inputs'], batch['data_samples'])
    places = browse_batch.by_image(samples)
    assert places == [0, 1, 3, 5, 2, 4]
    assert browse_batch.titles_of([samples[i] for i in places], ('cat', 'dog')) == [
        'dog',
        '#1 weak',
        '#1 strong',
        '#1 strong',
        '#2 weak',
        '#2 strong',
    ]


def test_labelled_images_have_green_frames():
    images = np.full((2, 6, 6, 3), 255, np.uint8)
    picture = np.asarray(
        Image.open(io.BytesIO(batch_plot(images, ['', ''], [True, False], columns=2))).convert(
            'RGB'
        )
    )
    green = (np.abs(picture.astype(int) - (0, 158, 115)).max(2) < 20).nonzero()[1]
    assert len(green) and green.max() < picture.shape[1] / 2


@pytest.mark.slow
def test_pictures_of_a_config(tmp_path):
    stdout, _ = run_tool(
        'browse_batch.py',
        ROOT / 'configs/digits/digits_full.py',
        '--batches',
        2,
        '--images',
        10,
        '--out',
        tmp_path,
    )
    assert 'batch_1.png: 10 of 64 images; 32 of the batch are labelled' in stdout.replace('\n', '')
    assert all(Image.open(tmp_path / f'batch_{i}.png').width > 500 for i in range(2))
    first = (tmp_path / 'batch_0.png').read_bytes()
    run_tool(
        'browse_batch.py', ROOT / 'configs/digits/digits_full.py', '--images', 10, '--out', tmp_path
    )
    assert (tmp_path / 'batch_0.png').read_bytes() == first
    assert (tmp_path / 'batch_1.png').read_bytes() != first


@pytest.mark.slow
def test_pictures_of_weak_and_strong_views(tmp_path):
    config = ROOT / 'configs/digits/methods/digits_fixmatch.py'
    stdout, _ = run_tool('browse_batch.py', config, '--images', 40, '--out', tmp_path)
    assert 'batch_0.png: 40 of 96 views; 32 of the batch are labelled' in stdout.replace('\n', '')


def test_bad_input_is_one_line(refuse):
    assert 'no such config file: nowhere.py' in refuse('browse_batch', 'nowhere.py')
