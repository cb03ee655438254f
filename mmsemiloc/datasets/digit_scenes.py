"""The embedded data set: handwritten digits over crops of photographs, with class, box and mask."""

import functools
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from mmpretrain.datasets import BaseDataset
from sklearn.datasets import load_digits, load_sample_images

from mmsemiloc.registry import DATASETS

SPLITS = {'train': (0.0, 0.6), 'val': (0.6, 0.8), 'test': (0.8, 1.0)}
NUM_CLASSES = 10
INK = 0.3  # share of full ink from which a pixel belongs to the digit's mask


@functools.cache
def digit_pools(split: str) -> list[np.ndarray]:
    """The handwritten digits (N, 8, 8) of each class that belong to a split.

    Digits are split by identity: no digit is in two splits.
    """
    digits = load_digits()
    order = np.random.default_rng(0).permutation(len(digits.target))
    pools = []
    for label in range(NUM_CLASSES):
        members = order[digits.target[order] == label]
        low, high = (int(share * len(members)) for share in SPLITS[split])
        pools.append(digits.images[members[low:high]].astype(np.float32) / 16)
    return pools


@functools.cache
def photographs() -> list[np.ndarray]:
    """scikit-learn's two sample photographs, BGR uint8 (427, 640, 3)."""
    return [np.ascontiguousarray(image[..., ::-1]) for image in load_sample_images().images]


def paste_digit(
    image: np.ndarray, digit: np.ndarray, height: int, contrast: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw a digit at a random place, lighter than a dark background and darker than a light one.

    Args:
        image: Background (H, W, 3), 0 to 255.
        digit: Ink (8, 8), 0 to 1.
        height: Side of the pasted digit in pixels.
        contrast: Difference of full ink from the background, in grey levels.
        rng: Generator of the place.

    Returns:
        The image, uint8, and the mask (H, W), bool.
    """
    ink = np.clip(cv2.resize(digit, (height, height), interpolation=cv2.INTER_CUBIC), 0, 1)
    y, x = rng.integers(0, np.array(image.shape[:2]) - height + 1)
    area = (slice(y, y + height), slice(x, x + height))

    # Lighter or darker than what is behind it, so that every digit can be seen.
    sign = 1 if image[area].mean() < 128 else -1
    drawn = image.astype(np.float32)
    drawn[area] += sign * contrast * ink[..., None]

    mask = np.zeros(image.shape[:2], bool)
    mask[area] = ink > INK
    return np.clip(drawn, 0, 255).astype(np.uint8), mask


def mask_to_box(mask: np.ndarray) -> list[int]:
    """Tight box [x1, y1, x2, y2] of a mask (H, W), in pixels, x2 and y2 outside of it."""
    ys, xs = np.nonzero(mask)
    return [int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1]


def class_shares(imbalance: float) -> np.ndarray:
    """Share (10,) of each class: they fall exponentially from the first to the last.

    The first share is ``imbalance`` times the last one.

    Example:
        >>> class_shares(10.0).round(3).tolist()
        [0.245, 0.189, 0.147, 0.114, 0.088, 0.068, 0.053, 0.041, 0.032, 0.024]
    """
    shares = imbalance ** -(np.arange(NUM_CLASSES) / (NUM_CLASSES - 1))
    return shares / shares.sum()


def scene_labels(count: int, imbalance: float) -> np.ndarray:
    """Classes (N,) of the first scenes.

    Any consecutive scenes have the shares of :func:`class_shares`, within an image or two.
    """
    if imbalance == 1:
        return np.arange(count) % NUM_CLASSES
    golden = (np.sqrt(5) - 1) / 2  # its multiples fill the unit interval evenly
    return np.searchsorted(
        class_shares(imbalance).cumsum()[:-1], np.arange(count) * golden % 1, side='right'
    )


def earlier_of_class(labels: np.ndarray) -> np.ndarray:
    """How many places of the same class come before each place, (N,)."""
    order = np.argsort(labels, kind='stable')
    counts = np.bincount(labels)
    turns = np.empty_like(labels)
    turns[order] = np.arange(len(labels)) - np.repeat(counts.cumsum() - counts, counts)
    return turns


def digit_scene(
    split: str,
    index: int,
    label: int,
    turn: int,
    seed: int,
    image_size: int = 32,
    height: Sequence[int] = (14, 20),
    contrast: Sequence[int] = (110, 200),
) -> dict:
    """One scene of a split: a digit over a crop of a photograph.

    Args:
        split: 'train', 'val' or 'test'.
        index: Number of the scene.
        label: Class of the digit.
        turn: Number of the scene among those of its class.
        seed: Seed of the scenes.
        image_size: Side S in pixels.
        height: Smallest and largest side of the digit in pixels.
        contrast: Smallest and largest difference of the ink from the background in grey levels.

    Returns:
        ``img`` (S, S, 3) BGR uint8, ``img_shape``, ``gt_label``, ``gt_bboxes`` (1, 4) [x1, y1, x2,
        y2] and ``gt_seg_map`` (S, S) uint8, 1 on the digit and 0 off it.
    """
    rng = np.random.default_rng([seed, list(SPLITS).index(split), index])
    photo = photographs()[rng.integers(2)]
    y, x = rng.integers(0, np.array(photo.shape[:2]) - image_size + 1)
    background = photo[y : y + image_size, x : x + image_size]

    # Scenes pass through the pool before a digit comes again, so few labelled images are of as many
    # different digits.
    pool = digit_pools(split)[label]
    digit = pool[turn % len(pool)]
    side = int(rng.integers(height[0], height[1] + 1))
    ink = float(rng.uniform(contrast[0], contrast[1]))
    img, mask = paste_digit(background, digit, side, ink, rng)
    return dict(
        img=img,
        img_shape=img.shape[:2],
        gt_label=label,
        gt_bboxes=np.array([mask_to_box(mask)], np.float32),
        gt_seg_map=mask.astype(np.uint8),
    )


@DATASETS.register_module()
class DigitScenes(BaseDataset):
    """Small photographs with one handwritten digit each, made from a seed in seconds.

    Nothing is downloaded: scikit-learn's 1,797 digits (8 x 8) are pasted at a random place and size
    over crops of its two photographs. Digits are split by identity: 60 % train, 20 % val, 20 %
    test. Classes alternate, so any run of scenes is balanced (or equally long-tailed): take
    ``num_images=150`` as the labelled images and ``first=150, num_images=3850`` as the unlabelled
    ones.

    Args:
        split: 'train', 'val' or 'test'.
        num_images: Number of scenes.
        first: Number of the first scene.
        image_size: Side in pixels.
        height: Smallest and largest side of the digit in pixels.
        contrast: Smallest and largest difference of the ink from the background in grey levels.
        seed: Seed of the scenes; the split of the digits does not depend on it.
        imbalance: How many times as many images the first class has as the last one, at least 1;
            see :func:`class_shares`.
        **kwargs: For mmpretrain's ``BaseDataset`` (``pipeline``, ``test_mode`` ...).

    Raises:
        ValueError: If the split is unknown, the imbalance below 1, or the digits do not fit into
            the image.
    """

    METAINFO = {'classes': tuple('0123456789')}

    def __init__(
        self,
        split: str = 'train',
        num_images: int = 4000,
        first: int = 0,
        image_size: int = 32,
        height: Sequence[int] = (14, 20),
        contrast: Sequence[int] = (110, 200),
        seed: int = 0,
        imbalance: float = 1.0,
        **kwargs: Any,
    ) -> None:
        if split not in SPLITS:
            raise ValueError(f'split must be one of {tuple(SPLITS)}, got {split!r}')

        if num_images < 1 or first < 0 or not 1 <= height[0] <= height[1] <= image_size:
            raise ValueError(
                'DigitScenes needs num_images >= 1, first >= 0 and 1 <= height <= image_size, got '
                f'num_images={num_images}, first={first}, height={tuple(height)}, '
                f'image_size={image_size}'
            )
        if imbalance < 1:
            raise ValueError(f'imbalance must be at least 1, got {imbalance}')

        self.scenes = range(first, first + num_images)
        self.imbalance = imbalance
        self.scene = functools.partial(
            digit_scene, split, seed=seed, image_size=image_size, height=height, contrast=contrast
        )
        super().__init__(ann_file='', **kwargs)

    def load_data_list(self) -> list[dict]:
        """Make the scenes."""
        labels = scene_labels(self.scenes.stop, self.imbalance)
        turns = earlier_of_class(labels)
        return [self.scene(index, int(labels[index]), int(turns[index])) for index in self.scenes]
