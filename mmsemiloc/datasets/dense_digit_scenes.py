"""Scenes with several digits, on disk, for detection (COCO json) and segmentation (PNG masks)."""

import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from mmsemiloc.datasets.digit_scenes import (
    NUM_CLASSES,
    SPLITS,
    digit_pools,
    mask_to_box,
    paste_digit,
    photographs,
)
from mmsemiloc.files import write_whole


def dense_scene(
    split: str,
    index: int,
    seed: int,
    grid: int = 3,
    cell: int = 32,
    num_digits: Sequence[int] = (1, 5),
    height: Sequence[int] = (14, 28),
    contrast: Sequence[int] = (110, 200),
) -> dict:
    """Scene number ``index`` of a split: digits in some cells of a grid over one photograph.

    Depends on its arguments alone.

    Args:
        split: 'train', 'val' or 'test'; no digit is in two of them.
        index: Number of the scene.
        seed: Seed of the scenes.
        grid: Cells a side.
        cell: Side of a cell in pixels.
        num_digits: Smallest and largest number of digits, at most grid * grid.
        height: Smallest and largest side of a digit in pixels, at most ``cell``.
        contrast: Smallest and largest difference of the ink from the background in grey levels.

    Returns:
        ``img`` (S, S, 3) BGR uint8, ``labels``, ``boxes`` [x1, y1, x2, y2] and ``masks`` (S, S)
        bool, one each a digit.
    """
    rng = np.random.default_rng([seed, list(SPLITS).index(split), index, 1])
    size = grid * cell
    photo = photographs()[rng.integers(2)]
    y, x = rng.integers(0, np.array(photo.shape[:2]) - size + 1)
    scene: dict = dict(img=photo[y : y + size, x : x + size].copy(), labels=[], boxes=[], masks=[])
    count = int(rng.integers(num_digits[0], num_digits[1] + 1))

    # At most one digit per cell of the grid, so that none hides another.
    for place in rng.choice(grid * grid, count, replace=False):
        row, column = divmod(int(place), grid)
        area = (slice(row * cell, (row + 1) * cell), slice(column * cell, (column + 1) * cell))
        label = int(rng.integers(NUM_CLASSES))
        pool = digit_pools(split)[label]
        side, ink = (
            int(rng.integers(height[0], height[1] + 1)),
            float(rng.uniform(contrast[0], contrast[1])),
        )
        mask = np.zeros((size, size), bool)
        scene['img'][area], mask[area] = paste_digit(
            scene['img'][area], pool[rng.integers(len(pool))], side, ink, rng
        )
        scene['labels'].append(label)
        scene['boxes'].append(mask_to_box(mask))
        scene['masks'].append(mask)

    return scene


def semantic_mask(scene: dict) -> np.ndarray:
    """(S, S) uint8: 0 for the background, 1 + label for a digit."""
    semantic = np.zeros(scene['img'].shape[:2], np.uint8)
    for label, mask in zip(scene['labels'], scene['masks'], strict=True):
        semantic[mask] = 1 + label
    return semantic


def polygons(mask: np.ndarray) -> list[list[int]]:
    """Outlines [x, y, x, y ...] of a mask's parts, as COCO has them."""
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return [contour.flatten().astype(int).tolist() for contour in contours if len(contour) > 2]


def write_dense_scenes(folder: Path, split: str, num_images: int, seed: int = 0) -> None:
    """Write scenes, their masks and their boxes into the folders that detectors read.

    These are ``folder/images/SPLIT/*.png``, ``folder/masks/SPLIT/*.png`` and
    ``folder/annotations/SPLIT.json``.

    Raises:
        ValueError: If the split is unknown or there are no images.
    """
    if split not in SPLITS or num_images < 1:
        raise ValueError(
            f'write_dense_scenes needs a split of {tuple(SPLITS)} and num_images >= 1, '
            f'got {split!r}, {num_images}'
        )

    folder = Path(folder)
    for kind in (f'images/{split}', f'masks/{split}', 'annotations'):
        (folder / kind).mkdir(parents=True, exist_ok=True)

    coco: dict = dict(
        images=[], annotations=[], categories=[dict(id=i, name=str(i)) for i in range(NUM_CLASSES)]
    )
    for index in range(num_images):
        scene, name = dense_scene(split, index, seed), f'{index:05d}.png'
        cv2.imwrite(str(folder / 'images' / split / name), scene['img'])
        cv2.imwrite(str(folder / 'masks' / split / name), semantic_mask(scene))
        height, width = scene['img'].shape[:2]
        coco['images'].append(dict(id=index, file_name=name, height=height, width=width))
        for label, (x1, y1, x2, y2), mask in zip(
            scene['labels'], scene['boxes'], scene['masks'], strict=True
        ):
            coco['annotations'].append(
                dict(
                    id=len(coco['annotations']),
                    image_id=index,
                    category_id=label,
                    bbox=[x1, y1, x2 - x1, y2 - y1],
                    area=int(mask.sum()),
                    segmentation=polygons(mask),
                    iscrowd=0,
                )
            )

    # Last, so that whoever finds the annotations finds all images.
    write_whole(folder / 'annotations' / f'{split}.json', json.dumps(coco))
