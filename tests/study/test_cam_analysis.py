"""Checkpoints in order, values as the metric gives them, and tables, plots and strips that show
them.
"""

import csv
import io
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image

from mmsemiloc.datasets.subsets import subset_loader
from mmsemiloc.evaluation import CAMLocalization
from mmsemiloc.study import cam_scores
from mmsemiloc.study.cam_checkpoints import CheckpointScores, RunFiles, find_checkpoints
from mmsemiloc.study.cam_pictures import draw_strips
from mmsemiloc.study.cam_report import (
    by_run,
    cam_page,
    cam_table,
    evolution_plot,
    panels,
    write_cam_csv,
)
from mmsemiloc.study.cam_scores import analyze, baselines, score_images
from tests.conftest import make_batch, make_model
from tests.study.test_evaluate import BOXES, LABELS, load, make_loader

VALUES = dict(accuracy=50.0, MaxBoxAccV2=40.0, in_box=30.0, pointing=20.0, area=10.0)
UNKNOWN = {**VALUES, 'MaxBoxAccV2': None, 'in_box': None, 'pointing': None}


def scored(run='a', step=10, values=VALUES, shade=0, **kwargs):
    column = np.full((146, 128, 3), shade, np.uint8)
    return CheckpointScores(
        run, Path(f'iter_{step}.pth'), kwargs.get('iteration', step), values, [column, column]
    )


def metric(model, loader):
    """What CAMLocalization and a count of the right ones give, from the model's own predictions."""
    localization, right = CAMLocalization(), []
    model.head.predict_cam = True
    for data in loader:
        batch = model.data_preprocessor(data)
        with torch.no_grad():
            samples = model(**batch, mode='predict')
        for sample in samples:
            sample.set_metainfo(dict(img_shape=(32, 32)))
            right.append(bool(sample.pred_label == sample.gt_label))
        localization.process({}, [sample.to_dict() for sample in samples])
    return localization.compute_metrics(localization.results), 100 * np.mean(right)


@pytest.mark.parametrize('batch_size', [3, 7])
def test_values_are_those_of_the_metric(batch_size):
    model, loader = make_model().eval(), make_loader(batch_size=batch_size)
    values, cams, images = score_images(model, loader, [0, 2, 3, 5])
    expected, accuracy = metric(model, make_loader())
    assert values['accuracy'] == pytest.approx(accuracy)
    for name in ('MaxBoxAccV2', 'in_box', 'pointing', 'area'):
        assert values[name] == pytest.approx(expected[f'top1_{name}'], rel=1e-4), name
        assert baselines(images)['uniform map'][name] == pytest.approx(expected[f'uniform_{name}'])
        assert baselines(images)['centre map'][name] == pytest.approx(expected[f'centre_{name}'])
    assert baselines(images)['centre map']['accuracy'] is None
    assert images.labels == LABELS and images.boxed == len(LABELS)
    assert len(cams) == len(images.pictures) == 4
    np.testing.assert_array_equal(images.pictures[1].boxes, [BOXES[2]])
    assert [picture.name for picture in images.pictures] == [
        'image 0',
        'image 2',
        'image 3',
        'image 5',
    ]


def test_some_images_are_those_of_a_smaller_dataset():
    model, done, chosen = make_model().eval(), [], np.array([1, 4, 6])
    part = subset_loader(make_loader(batch_size=2), chosen)
    values, _, images = score_images(model, part, [4], advance=done.append)
    assert images.labels == [LABELS[i] for i in chosen] and done == [2, 1]
    assert [picture.name for picture in images.pictures] == ['image 4']
    small = make_loader()
    small.dataset[:] = [small.dataset[i] for i in chosen]
    assert values == pytest.approx(score_images(model, small)[0])
    assert values != pytest.approx(score_images(model, make_loader())[0])  # negative control


def test_without_boxes_and_labels():
    model = make_model().eval()
    values, _, images = score_images(model, make_loader(boxes=None))
    assert images.boxed == 0 and baselines(images) == {}
    assert [name for name, value in values.items() if value is None] == [
        'MaxBoxAccV2',
        'in_box',
        'pointing',
    ]
    values, _, images = score_images(model, load(make_batch([None, None])))
    assert values['accuracy'] is None and images.labels == [None, None]


def test_a_box_outside_is_named():
    loader = make_loader()
    loader.dataset[3]['data_samples'].set_field([0, 0, 40, 10], 'gt_bboxes')
    with pytest.raises(ValueError, match='^image 3: a box .* 32 x 32'):
        score_images(make_model().eval(), loader)


def test_checkpoints_in_the_order_of_their_numbers(tmp_path):
    for name in (
        'iter_1000.pth',
        'iter_200.pth',
        'iter_30.pth',
        'last.pth',
        'iter_30.txt',
        'best_iter_40.pth',
    ):
        (tmp_path / name).touch()
    found = find_checkpoints([tmp_path, tmp_path / 'last.pth'])
    assert [path.name for path in found] == [
        'iter_30.pth',
        'iter_200.pth',
        'iter_1000.pth',
        'last.pth',
    ]
    (tmp_path / 'none').mkdir()
    with pytest.raises(ValueError, match='no checkpoint in .*none: looked for epoch_'):
        find_checkpoints([tmp_path / 'none'])


@pytest.fixture
def two_runs(monkeypatch):
    """Two runs of one model each, and the dataloaders that their configs stand for."""
    models = {'one.pth': make_model(seed=0).eval(), 'other.pth': make_model(seed=1).eval()}
    loaders = dict(a=make_loader(), b=make_loader(batch_size=7))
    monkeypatch.setattr(cam_scores, 'load_model', lambda cfg, checkpoint: (models[checkpoint], {}))
    monkeypatch.setattr(cam_scores, 'build_loader', lambda cfg, split: loaders[cfg.name])
    return [
        RunFiles(name, Config(dict(name=name)), [Path('one.pth'), Path('other.pth')])
        for name in 'ab'
    ], loaders


def test_runs_side_by_side(two_runs):
    runs, _ = two_runs
    progress = []
    scores, images = analyze(
        runs, 'val', None, 2, lambda done, total: progress.append((done, total))
    )
    assert [(m.run, m.checkpoint.name) for m in scores] == [
        (run, name) for run in 'ab' for name in ('one.pth', 'other.pth')
    ]
    assert scores[0].values == pytest.approx(scores[2].values) and scores[
        0
    ].values != pytest.approx(scores[1].values)
    assert sum(done for done, _ in progress) == progress[0][1] == 4 * len(LABELS)
    strips = draw_strips(images.pictures, scores)
    assert [strip.shape for strip in strips] == [
        (146, 3 * 128, 3)
    ] * 2  # the image, and each run at its last checkpoint
    assert np.array_equal(strips[1][:, 2 * 128 :], scores[3].columns[1])
    alone, _ = analyze(runs[:1], 'val', None, 2, lambda done, total: None)
    assert (
        draw_strips(images.pictures, alone)[0].shape[1] == 3 * 128
    )  # the image, and both checkpoints


def test_some_images_of_all_runs_are_the_same_ones_of_all_classes(two_runs):
    runs, loaders = two_runs
    for loader in loaders.values():
        loader.dataset.sort(
            key=lambda item: int(item['data_samples'].gt_label)
        )  # as in folders of classes
    _, images = analyze(runs, 'val', 5, 3, lambda done, total: None)
    assert images.labels == [0, 1, 2, 3, 4] and len(images.pictures) == 3
    _, others = analyze(runs, 'val', 5, 3, lambda done, total: None, seed=1)
    assert others.labels == images.labels and others.sizes == images.sizes


def test_runs_with_other_images_are_refused(two_runs):
    runs, loaders = two_runs
    loaders['b'].dataset.pop()
    with pytest.raises(
        ValueError, match='b and a are measured on different images: 6 and 7 in the val split'
    ):
        analyze(runs, 'val', None, 0, lambda done, total: None)


# --- what is shown


def test_the_table_and_its_file(tmp_path):
    scores = [scored(step=10), scored(step=20, values=UNKNOWN)]
    nothing = {'uniform map': {**VALUES, 'accuracy': None}}
    table = cam_table(scores, nothing, 'val', 7)
    assert table.rows == [
        ['a', 'iter 10', '50.0', '40.0', '30.0', '20.0', '10.0'],
        ['a', 'iter 20', '50.0', *'–––', '10.0'],
        ['uniform map', '–', '–', '40.0', '30.0', '20.0', '10.0'],
    ]
    write_cam_csv(scores, nothing, tmp_path / 'x.csv')
    with (tmp_path / 'x.csv').open() as file:
        rows = list(csv.DictReader(file))
    assert [(row['run'], row['iter'], row['in_box']) for row in rows] == [
        ('a', '10', '30.0'),
        ('a', '20', ''),
        ('uniform map', '', '30.0'),
    ]


def test_lines_of_each_run_over_iterations_or_checkpoints():
    scores = [scored('a', 10), scored('a', 30), scored('b', 10, {**VALUES, 'accuracy': 60.0})]
    rows, label = by_run(scores)
    assert label == 'iteration' and panels(rows)['accuracy'] == (
        {'a': [[10, 50.0], [30, 50.0]], 'b': [[10, 60.0]]},
        {},
    )
    rows, label = by_run([*scores, scored('b', 20, iteration=None)])
    assert label == 'checkpoint' and [row['step'] for row in rows['b']] == [1, 2]
    nothing = {'centre map': VALUES, 'uniform map': UNKNOWN}
    assert {name: levels for name, (_, levels) in panels(rows, nothing).items()} == dict(
        accuracy={}, MaxBoxAccV2={'centre map': 40.0}, in_box={}, area={}
    )
    assert list(panels(by_run([scored(values=UNKNOWN)])[0])) == ['accuracy', 'area']


def test_the_plot_has_a_panel_for_each_known_value():
    wide, narrow = (
        Image.open(
            io.BytesIO(evolution_plot([scored(step=step, values=values) for step in (1, 2)], {}))
        )
        for values in (VALUES, UNKNOWN)
    )
    assert wide.width == 2 * narrow.width


def test_the_page_has_what_there_is():
    scores = [scored(step=10), scored(step=20)]
    strips = [('<one>', b'png'), ('two', b'other')]
    page = cam_page(scores, strips, cam_table(scores, {}, 'val', 7), {}, 7)
    assert (
        'same 7 images' in page and 'Over the training' in page and page.count('&lt;one&gt;') == 2
    )
    assert 'Over the training' not in cam_page(
        scores[:1], strips, cam_table(scores[:1], {}, 'val', 7), {}, 7
    )
    pictures = cam_page(scores, strips)
    assert (
        '<table' not in pictures
        and 'same 7' not in pictures
        and 'One column per checkpoint' in pictures
    )
    assert 'One column per run' in cam_page([scored('a'), scored('b')], strips)
