"""Metric of how well class activation maps find the object."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric
from torch import Tensor

from mmsemiloc.evaluation.image_scores import ImageScore, compute, update
from mmsemiloc.evaluation.maps import resize_maps
from mmsemiloc.evaluation.scoring import image_name, naming
from mmsemiloc.registry import METRICS

NEEDED = {
    'cam_top1': 'set model.head.predict_cam=True of mmsemiloc.CAMClsHead',
    'batch_input_shape': 'set model.type to mmsemiloc.SemiSupClassifier, which tells it',
    'img_shape': (
        'let the pipeline tell it: LoadImageFromFile does, and PackInputs packs it unless '
        'meta_keys leaves it out'
    ),
    'gt_bboxes': (
        "load boxes (LoadLocalizationBoxes) and pack them: dict(type='PackInputs', "
        "algorithm_keys=('gt_bboxes', ))"
    ),
}


def to_numpy(value: Tensor | np.ndarray | Sequence) -> np.ndarray:
    """An array on the CPU."""
    return value.cpu().numpy() if isinstance(value, Tensor) else np.asarray(value)


def image_map(cam: Tensor, sample: dict) -> np.ndarray:
    """A map (h, w) at the size (H, W) of its image.

    It is resized to the padded input of the network, of which the padding is then cut off.
    """
    height, width = sample['img_shape'][:2]
    return resize_maps(cam[None], sample['batch_input_shape'])[0, :height, :width].cpu().numpy()


@METRICS.register_module()
class CAMLocalization(BaseMetric):
    """Localisation by class activation maps.

    As in `Evaluating Weakly Supervised Object Localization Methods Right
    <https://arxiv.org/abs/2001.07437>`_ (Choe et al., CVPR 2020). Each value comes for the map of
    the true class (``gt_...``), of the most probable class (``top1_...``), for a Gaussian at the
    image's centre (``centre_...``) and for a constant map (``uniform_...``). In %:

    - ``MaxBoxAcc``: images with a right box (IoU 0.5, largest contour), at the threshold that is
      best on this set;
    - ``MaxBoxAccV2``: mean over IoU 0.3, 0.5, 0.7, each at its best threshold, the best of all
      contours;
    - ``BoxAcc``, ``BoxAccV2``: the same at the given ``threshold``, which is to come from other
      images: run the metric on the validation set and hand on its ``best_threshold`` (a share of
      the maximum, the best for ``BoxAccV2``);
    - ``pointing``: images whose map has its maximum in a true box; ``in_box``: the positive part's
      share inside the boxes;
    - ``area``: pixels above ``area_threshold`` times the maximum. A map may be small and wrong:
      read it beside the others;
    - ``PxAP``: average precision over all pixels, if all images have a ``gt_seg_map`` (1 on the
      object, 0 off it, 255 ignored);
    - ``top1_loc``: correctly classified images whose box is right as in ``MaxBoxAcc``.

    The pipeline has to keep the object in the image: resize without a crop, by mmcv's ``Resize``,
    which moves ``gt_bboxes`` and ``gt_seg_map`` along (``ResizeEdge`` does not).

    Args:
        threshold: Share of the map's maximum, 0 to below 1, that was chosen on other images.
        area_threshold: Share of the map's maximum for ``area``, 0 to below 1.
        **kwargs: For ``BaseMetric``.

    Raises:
        ValueError: If a threshold is out of range, and during evaluation, with the image's name, if
            a map is not finite, a box is wrong, or something is missing.

    Example:
        In a config whose dataset has boxes::

            model = dict(head=dict(predict_cam=True))
            test_evaluator = [
                dict(type='Accuracy', topk=(1,)), dict(type='mmsemiloc.CAMLocalization')
            ]
    """

    default_prefix = 'localization'

    def __init__(
        self, threshold: float | None = None, area_threshold: float = 0.5, **kwargs: Any
    ) -> None:
        for name, value in (('threshold', threshold), ('area_threshold', area_threshold)):
            if value is not None and not 0 <= value < 1:
                raise ValueError(f'CAMLocalization needs 0 <= {name} < 1, got {value}')
        super().__init__(**kwargs)
        self.threshold, self.area_threshold = threshold, area_threshold

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Score the maps of a batch; ``data_batch`` is not used."""
        for sample in data_samples:
            name = image_name(sample, sample.get('sample_idx', 'without a name'))
            with naming(f'CAMLocalization: {name}'):
                self.results.append(self._score(sample))

    def _score(self, sample: dict) -> ImageScore:
        """Scores of one image."""
        for key, remedy in NEEDED.items():
            if key not in sample:
                raise ValueError(f'no {key}; {remedy}')
        boxes = to_numpy(sample['gt_bboxes']).reshape(-1, 4)
        if len(boxes) == 0:
            raise ValueError('gt_bboxes is empty, but every image needs a box')

        # Without a label there is no map of the true class.
        top1, gt, correct = image_map(sample['cam_top1'], sample), None, None
        if 'cam_gt' in sample:
            correct = bool((sample['pred_label'] == sample['gt_label']).all())
            gt = top1 if correct else image_map(sample['cam_gt'], sample)

        mask = None if sample.get('gt_seg_map') is None else to_numpy(sample['gt_seg_map'])
        return update(
            top1.shape, boxes, top1, gt, correct, mask=mask, area_threshold=self.area_threshold
        )

    def compute_metrics(self, results: list[ImageScore]) -> dict[str, float]:
        """The metrics of all maps that every image has."""
        return compute(results, self.threshold)
