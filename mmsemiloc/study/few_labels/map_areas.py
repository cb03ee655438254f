"""How concentrated the maps of frozen features are, with and without the locality penalty."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from mmengine.registry import init_default_scope
from torch import Tensor

from mmsemiloc.evaluation.maps import area, resize_maps
from mmsemiloc.few_labels.selection import train_sets
from mmsemiloc.few_labels.settings import SHORT, Linear, penalties, term
from mmsemiloc.few_labels.solver import Solver
from mmsemiloc.few_labels.whole_set_loss import Method
from mmsemiloc.files import write_whole
from mmsemiloc.models.cam import class_activation_maps, relative_weight
from mmsemiloc.study.few_labels.draw import Draw
from mmsemiloc.study.few_labels.image_sets import TEST, Source, make_views
from mmsemiloc.study.few_labels.intervals import value_of
from mmsemiloc.visualization.pictures import draw_column, to_bgr, to_png

GAMMAS = (0.0, 0.1, 0.3, 1.0, 3.0)
SHOWN = 6  # images in the picture


@dataclass(frozen=True)
class MapResult:
    """A classifier of CE + MEL + NBEL with a weight of the locality penalty.

    Attributes:
        gamma: The weight.
        area: Share (%) of the test images' maps above half of their maximum, the mean.
        value: Metric (%) on the test images.
        weight: Weight of the classifier (C, d).
    """

    gamma: float
    area: float
    value: float
    weight: Tensor


def measure_maps(
    draw: Draw, test_maps: Tensor, test_labels: np.ndarray, metric: str, size: int
) -> list[MapResult]:
    """Train with each weight of the penalty; areas of the predicted class's map.

    Args:
        draw: The images.
        test_maps: Projected maps of the test images (T, d, H, W).
        test_labels: Their classes (T,).
        metric: 'accuracy' or 'mean_recall'.
        size: Height and width of an image.
    """
    results = []
    for gamma in GAMMAS:
        terms = {**penalties(0.3, 1), **term('LocalityLoss', gamma, scale_free=True)}
        everything = [np.arange(len(draw.labeled.labels))]
        heads = train_sets(
            draw.train,
            draw.labeled,
            everything,
            Linear(Method(terms, SHORT.decay), Solver(scale=SHORT.scale)),
            draw.maps,
        )

        predictions = heads.logits(draw.test)[0].argmax(1)
        weight = relative_weight(heads.weight[0])
        maps = resize_maps(class_activation_maps(test_maps, weight, predictions), (size, size))
        share = 100 * float(np.mean([area(cam) for cam in maps.numpy()]))
        value = value_of(predictions.numpy(), test_labels, metric)
        results.append(MapResult(gamma, share, value, weight))
    return results


def map_picture(
    source: Source,
    test_maps: Tensor,
    test_labels: np.ndarray,
    results: Sequence[MapResult],
    file: Path,
) -> None:
    """Write test images of the last class above their maps without the penalty and with it.

    Args:
        source: The images.
        test_maps: Projected maps of the test images (T, d, H, W).
        test_labels: Their classes (T,).
        results: Those of one draw.
        file: The PNG file.
    """
    init_default_scope('mmsemiloc')
    label, size = int(test_labels.max()), source.images.size
    chosen = np.flatnonzero(test_labels == label)[:SHOWN]
    load, (weak, *_) = make_views(source.config(), size, 0).pipelines()
    records = source.records()[TEST]

    columns = []
    for place in chosen:
        image = to_bgr(weak(load(dict(records[place])))['inputs'])
        rows = [draw_column(image, None, np.empty((0, 4)), f'image {place}')]
        for result in results:
            labels = torch.tensor([label])
            maps = class_activation_maps(test_maps[place : place + 1], result.weight, labels)
            cam = resize_maps(maps, (size, size))[0].numpy()
            rows.append(draw_column(image, cam, np.empty((0, 4)), f'gamma {result.gamma:g}'))
        columns.append(np.vstack(rows))
    gap = np.full((len(columns[0]), 4, 3), 255, np.uint8)
    write_whole(file, to_png(cv2.hconcat([part for column in columns for part in (column, gap)])))
