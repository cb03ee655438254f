import numpy as np
import pytest
from sklearn.datasets import load_digits

from mmsemiloc.datasets import DigitScenes
from mmsemiloc.datasets.digit_scenes import (
    SPLITS,
    class_shares,
    digit_pools,
    earlier_of_class,
    mask_to_box,
    paste_digit,
    scene_labels,
)


def test_no_digit_is_in_two_splits():
    pools = {split: [d.tobytes() for pool in digit_pools(split) for d in pool] for split in SPLITS}
    assert sum(map(len, pools.values())) == len(load_digits().target)
    everything = [(d.astype(np.float32) / 16).tobytes() for d in load_digits().images]
    repeated = len(everything) - len(set(everything))
    assert len(set.union(*map(set, pools.values()))) == len(everything) - repeated
    assert abs(len(pools['train']) - 0.6 * 1797) < 10


def test_scenes_depend_on_seed_and_number_alone():
    whole, part = DigitScenes(num_images=30), DigitScenes(first=20, num_images=10)
    for i in range(10):
        assert np.array_equal(whole[20 + i]['img'], part[i]['img'])
        assert np.array_equal(whole[20 + i]['gt_bboxes'], part[i]['gt_bboxes'])
    assert not np.array_equal(DigitScenes(num_images=1, seed=1)[0]['img'], whole[0]['img'])
    assert not np.array_equal(DigitScenes('val', num_images=1)[0]['img'], whole[0]['img'])


def test_classes_are_balanced():
    assert np.bincount(DigitScenes(num_images=150).get_gt_labels()).tolist() == [15] * 10


def test_long_tailed_classes():
    shares = class_shares(10.0)
    assert shares[0] / shares[9] == pytest.approx(10) and shares.sum() == pytest.approx(1)
    for first, count in (
        (0, 150),
        (150, 3850),
        (77, 500),
    ):  # any run of scenes is equally long-tailed
        counts = np.bincount(scene_labels(first + count, 10.0)[first:], minlength=10)
        assert abs(counts - count * shares).max() < 2.5
    labels = DigitScenes(num_images=150, imbalance=10).get_gt_labels()
    assert np.array_equal(labels, scene_labels(150, 10.0))


def test_scenes_of_a_class_pass_through_its_digits():
    labels = np.array([3, 1, 3, 3, 1])
    assert earlier_of_class(labels).tolist() == [0, 0, 1, 2, 1]
    assert earlier_of_class(np.arange(40) % 10).tolist() == [
        i // 10 for i in range(40)
    ]  # without imbalance


@pytest.mark.parametrize('split', list(SPLITS))
def test_boxes_and_masks_fit_the_digit(split):
    for scene in DigitScenes(split, num_images=40):
        [[x1, y1, x2, y2]] = scene['gt_bboxes'].astype(int)
        mask = scene['gt_seg_map'].astype(bool)
        assert (
            scene['img'].shape == (*scene['img_shape'], 3) == (32, 32, 3)
            and scene['img'].dtype == np.uint8
        )
        assert 0 <= x1 < x2 <= 32 and 0 <= y1 < y2 <= 32 and 7 <= y2 - y1 <= 20
        outside = mask.copy()
        outside[y1:y2, x1:x2] = False
        assert (
            not outside.any()
            and mask[y1].any()
            and mask[y2 - 1].any()
            and mask[:, x1].any()
            and mask[:, x2 - 1].any()
        )


def test_paste_is_visible_in_the_mask_alone():
    for grey, sign in ((40, 1), (200, -1)):
        image = np.full((32, 32, 3), grey, np.uint8)
        drawn, mask = paste_digit(
            image, np.ones((8, 8), np.float32), 10, 50.0, np.random.default_rng(0)
        )
        assert (
            (drawn[mask] == grey + sign * 50).all()
            and (drawn[~mask] == grey).all()
            and mask.sum() == 100
        )
        x1, y1, x2, y2 = mask_to_box(mask)
        assert (x2 - x1, y2 - y1) == (10, 10)


@pytest.mark.parametrize(
    'kwargs, match',
    [
        (dict(split='dev'), "'dev'"),
        (dict(num_images=0), 'num_images=0'),
        (dict(height=(20, 40)), r'height=\(20, 40\)'),
        (dict(first=-1), 'first=-1'),
        (dict(imbalance=0.5), 'imbalance must be at least 1, got 0.5'),
    ],
)
def test_bad_input(kwargs, match):
    with pytest.raises(ValueError, match=match):
        DigitScenes(**kwargs)
