"""The one place that scores maps: :func:`update` for each image, :func:`compute` over all."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmsemiloc.evaluation.map_scores import (
    MapScore,
    box_accuracy,
    max_box_acc,
    score_centre_map,
    score_map,
    summarize_maps,
)

Values = dict[str, float | None]

MODEL_MAPS = ('gt', 'top1')  # of the true and of the predicted class
BASELINES = ('centre', 'uniform')
FOLLOWED = ('MaxBoxAccV2', 'in_box', 'pointing', 'area')  # over a training, beside accuracy


@dataclass(frozen=True)
class ImageScore:
    """What one image adds to the metrics; small, so that those of all images can be collected.

    Attributes:
        maps: Score by map: ``gt`` (true class), ``top1`` (predicted class), ``centre``,
            ``uniform``.
        correct: Whether the class is correct; None without a label.
    """

    maps: dict[str, MapScore]
    correct: bool | None = None


def update(
    size: Sequence[int],
    boxes: np.ndarray,
    top1: np.ndarray | None = None,
    gt: np.ndarray | None = None,
    correct: bool | None = None,
    *,
    mask: np.ndarray | None = None,
    area_threshold: float = 0.5,
    baselines: bool = True,
) -> ImageScore:
    """Score the maps of one image.

    Args:
        size: (H, W) of the image.
        boxes: True boxes (N, 4), see :func:`score_map`; N may be 0.
        top1: Map (H, W) of the predicted class; None if the model has no maps.
        gt: Map (H, W) of the true class; ``top1`` itself if the class is correct.
        correct: Whether the class is correct; None without a label.
        mask: (H, W), see :func:`score_map`.
        area_threshold: Share of the maximum above which a pixel counts in ``area``.
        baselines: Whether the uninformed baselines are scored too: a Gaussian at the centre, and a
            constant map.

    Raises:
        ValueError: If a map is not finite, a box is not in the image, or the mask does not fit.
    """

    def score(cam: np.ndarray) -> MapScore:
        return score_map(cam, boxes, mask, area_threshold)

    maps = {}
    if top1 is not None:
        maps['top1'] = score(top1)
    if gt is not None:
        # Finding boxes is what takes time: one map is not scored twice.
        maps['gt'] = maps['top1'] if gt is top1 else score(gt)
    if baselines:
        maps['centre'] = score_centre_map(size, boxes, mask, area_threshold)
        maps['uniform'] = score(np.ones(tuple(size), np.float32))
    return ImageScore(maps, correct)


def compute(scores: Sequence[ImageScore], threshold: float | None = None) -> dict[str, float]:
    """The metrics over all images, in %, under the names of :class:`CAMLocalization`.

    Args:
        scores: Of all images, at least one.
        threshold: Share of the map's maximum that was chosen on other images, for the model's maps.

    Returns:
        ``<map>_<measure>`` for each map that every image has, with the measures of
        :func:`summarize_maps`, and ``top1_loc`` if there are maps and boxes of the true classes.
    """
    metrics = {}
    for name in (*MODEL_MAPS, *BASELINES):
        if all(name in score.maps for score in scores):
            chosen = threshold if name in MODEL_MAPS else None
            summary = summarize_maps([score.maps[name] for score in scores], chosen)
            metrics.update({f'{name}_{key}': value for key, value in summary.items()})

    # As MaxBoxAcc, but a box counts only if the class is correct.
    if 'gt_MaxBoxAcc' in metrics:
        pairs = [(score.maps['gt'].hits, bool(score.correct)) for score in scores]
        hits = [hit for hit, _ in pairs if hit is not None]
        correct = np.array([right for hit, right in pairs if hit is not None])
        metrics['top1_loc'] = max_box_acc(box_accuracy(hits, correct))
    return metrics


def followed_values(scores: Sequence[ImageScore], name: str = 'top1') -> Values:
    """What is followed over a training, in %: accuracy, and how correct and large the maps are.

    Args:
        scores: Of all images, at least one.
        name: Whose values: ``top1`` of the model, or one of the baselines.

    Returns:
        ``accuracy`` over the images with a label, ``MaxBoxAccV2``, ``in_box`` and ``pointing``
        over those with a box, and ``area`` over all; None where there is no such image.
    """
    metrics = compute([ImageScore({name: score.maps[name]}) for score in scores])
    correct = [score.correct for score in scores if score.correct is not None]
    accuracy = 100 * float(np.mean(correct)) if correct else None
    return {'accuracy': accuracy, **{key: metrics.get(f'{name}_{key}') for key in FOLLOWED}}


def summarize_predictions(correct: Sequence[bool], scores: Sequence[MapScore]) -> Values:
    """:func:`followed_values` of map scores that were collected by themselves.

    Args:
        correct: Whether the class is correct, for the images that have a label.
        scores: Of all images, at least one; those without boxes count in ``area`` only.
    """
    accuracy = 100 * float(np.mean(correct)) if len(correct) else None
    values = followed_values([ImageScore({'top1': score}) for score in scores])
    return {**values, 'accuracy': accuracy}
