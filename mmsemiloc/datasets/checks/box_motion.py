"""Whether the true boxes of images move along with their pixels, seen by doing it."""

import copy
from collections.abc import Sequence

import cv2
import numpy as np
import torch
from mmengine.dataset import BaseDataset

from mmsemiloc.datasets.checks.pipeline_trials import Transform, call, forced, with_pipelines
from mmsemiloc.datasets.contents import describe
from mmsemiloc.datasets.images.errors import TransformError, UnreadableImageError, transform_name
from mmsemiloc.datasets.random_state import RandomState

BOXES = ((0.15, 0.2, 0.5, 0.55), (0.4, 0.35, 0.9, 0.85))  # shares of the width and the height
DRAWS = 8  # of random transforms
REMEDY = "mmcv's Resize, CenterCrop, RandomFlip and Pad move both"


def box_mask(box: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """Pixels (H, W), uint8 0 or 1, of a box [x1, y1, x2, y2]."""
    mask = np.zeros(tuple(size), np.uint8)
    x1, y1, x2, y2 = np.rint(box).astype(int)
    mask[max(y1, 0) : max(y2, 0), max(x1, 0) : max(x2, 0)] = 1
    return mask


def marked(results: dict, box: np.ndarray) -> list[dict]:
    """The loaded image three times with a box: black, white inside of it, and white outside."""
    image = results['img']
    inside = box_mask(box, image.shape[:2])
    states = []
    for mask in (np.zeros_like(inside), inside, 1 - inside):
        state = copy.deepcopy({key: value for key, value in results.items() if key != 'img'})
        marks = 255 * mask.reshape(*mask.shape, *[1] * (image.ndim - 2))
        state['img'] = (marks * np.ones_like(image)).astype(image.dtype)

        if 'gt_bboxes' in results:
            state['gt_bboxes'] = box[None].astype(np.float32)
        if 'gt_seg_map' in results:
            state['gt_seg_map'] = inside.astype(np.asarray(results['gt_seg_map']).dtype)
        states.append(state)
    return states


def where_changed(image: object, other: object) -> np.ndarray:
    """Pixels (H, W) in which two pictures differ by more than half of their largest difference."""
    difference = np.abs(np.asarray(image, np.float32) - np.asarray(other, np.float32))
    difference = difference.max(2) if difference.ndim == 3 else difference
    return difference > max(difference.max() / 2, 1e-6)


def misses(mask: np.ndarray, inside: np.ndarray, outside: np.ndarray) -> bool:
    """Whether a mask (H, W) is elsewhere than the marked pixels, by more than a narrow border."""
    reach = 2 + round(0.02 * max(mask.shape))
    kernel = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    wide, narrow = cv2.dilate(mask, kernel), cv2.erode(mask, kernel)
    lost, strange = inside & (wide == 0), outside & (narrow > 0)
    return bool(lost.sum() > 0.01 * inside.sum() or strange.sum() > 0.01 * narrow.sum())


def moved_apart(states: Sequence[dict], keys: Sequence[str], box: np.ndarray | None) -> str:
    """Which of ``gt_bboxes`` and ``gt_seg_map`` has left the marked pixels; '' for none.

    Args:
        states: The three images of :func:`marked` after some transforms.
        keys: Those of the two that matter.
        box: Where the pixels should be still, if nothing is told of the boxes yet.
    """
    images = [state.get('img') for state in states]
    if any(image is None or isinstance(image, list) for image in images):
        return ''

    # Where the pixels have gone, seen by comparing with the black image.
    inside, outside = where_changed(images[1], images[0]), where_changed(images[2], images[0])
    if box is not None:
        return keys[0] if misses(box_mask(box, inside.shape), inside, outside) else ''

    first = states[0]
    if 'gt_bboxes' in keys and len(first.get('gt_bboxes', ())):
        mask = box_mask(np.asarray(first['gt_bboxes'], np.float32)[0], inside.shape)
        if misses(mask, inside, outside):
            return 'gt_bboxes'

    if 'gt_seg_map' in keys and 'gt_seg_map' in first:
        mask = (np.asarray(first['gt_seg_map']) > 0).astype(np.uint8)
        if mask.shape != inside.shape or misses(mask, inside, outside):
            return 'gt_seg_map'
    return ''


def alike(transform: Transform, states: Sequence[dict], description: str) -> list[dict]:
    """Results of a transform on several images, with the same random numbers for all."""
    random, results = RandomState(torch.device('cpu')), []
    for state in states:
        random.restore()
        results += call(transform, state, description)
    return results


def load(transforms: Sequence[Transform], results: dict, description: str) -> tuple[dict, int]:
    """What the loading transforms give, and the place of the one that gives boxes, if any (-1)."""
    place = -1
    for number, transform in enumerate(transforms):
        if transform_name(transform).startswith('Load'):
            boxed = 'gt_bboxes' in results or 'gt_seg_map' in results
            results = next(iter(call(transform, results, description)), results)
            if not boxed and ('gt_bboxes' in results or 'gt_seg_map' in results):
                place = number
    return results, place


def packed(transforms: Sequence[Transform], results: dict, description: str) -> list[str]:
    """Which of ``gt_bboxes`` and ``gt_seg_map`` reach the data samples; others need not move."""
    for transform in transforms:
        results = next(iter(call(transform, results, description)), {})
    return [key for key in ('gt_bboxes', 'gt_seg_map') if key in results.get('data_samples', ())]


def check_box(
    transforms: Sequence[Transform],
    results: dict,
    box: np.ndarray,
    keys: Sequence[str],
    loading: int,
    description: str,
) -> None:
    """Follow one marked box through a pipeline, drawn once.

    Args:
        transforms: Those of the pipeline.
        results: The loaded image.
        box: The box [x1, y1, x2, y2] in pixels.
        keys: Which of ``gt_bboxes`` and ``gt_seg_map`` reach the data samples.
        loading: Place of the transform that reads them, -1 if the dataset gives them.
        description: The image in words.

    Raises:
        TransformError: If a transform parts the box from its pixels.
    """
    states = marked(results, box)
    for number, transform in enumerate(transforms):
        if transform_name(transform).startswith('Load'):
            continue

        states = alike(forced(transform), states, description)
        if len(states) < 3:  # the transform has given one of the three images up
            return

        early = number < loading
        apart = moved_apart(states, keys, box if early else None)
        moves = f'transform {transform_name(transform)} moves the pixels of {description}'
        if apart and early:
            raise TransformError(
                f'{moves} before {transform_name(transforms[loading])} reads {apart}, which belong '
                'to the image as it is stored: put it behind'
            )
        if apart:
            raise TransformError(f'{moves} without their {apart}: {REMEDY}')


def check_image(dataset: BaseDataset, place: int, kind: str) -> None:
    """:func:`check_moves_boxes` for one image of a dataset with a pipeline."""
    description = describe(dataset, place, kind)
    transforms, info = dataset.pipeline.transforms, dict(dataset.get_data_info(place))
    keys = packed(transforms, info, description)
    results, loading = load(transforms, info, description)
    if not keys or not isinstance(results.get('img'), np.ndarray):
        return

    height, width = results['img'].shape[:2]
    for shares in BOXES * DRAWS:
        box = np.rint(np.array(shares) * [width, height, width, height])
        check_box(transforms, results, box, keys, loading, description)


def check_moves_boxes(dataset: BaseDataset, kind: str) -> None:
    """Refuse pipelines that part the true boxes and masks of images from their pixels.

    The pipeline runs on pictures in which a box is marked, several times if it is random, so this
    holds for transforms of any package. Images without boxes, or whose boxes are not packed, pass.
    Random numbers go on as if nothing had happened.

    Args:
        dataset: Images with or without ``gt_bboxes`` or ``gt_seg_map``.
        kind: What they are called in messages.

    Raises:
        TransformError: With the name of the transform and the remedy.
    """
    random = RandomState(torch.device('cpu'))
    try:
        for leaf in with_pipelines(dataset):
            for place in range(len(leaf)):
                try:
                    check_image(leaf, place, kind)
                    break
                except UnreadableImageError:
                    continue  # told when its turn comes, by the policy for such images
    finally:
        random.restore()
