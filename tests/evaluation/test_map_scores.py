"""Summaries over images against the published definition, and their limits."""

import numpy as np
import pytest

from mmsemiloc.evaluation import score_centre_map, score_map, summarize_maps, summarize_predictions
from mmsemiloc.evaluation.map_scores import box_accuracy, centre_map
from mmsemiloc.evaluation.pixel_precision import pixel_average_precision, pixel_histogram
from tests.evaluation import reference
from tests.evaluation.test_boxes import smooth

BOXES = [[[3, 2, 14, 20]], [[10, 5, 30, 22], [0, 0, 6, 6]], [[20, 10, 31, 24]], [[0, 0, 31, 24]]]
CAMS = [smooth(seed) for seed in range(10, 14)]


def make_mask(boxes, size=(24, 31), ignored=False):
    mask = np.zeros(size, np.uint8)
    for x1, y1, x2, y2 in boxes:
        mask[y1:y2, x1:x2] = 1
    if ignored:
        mask[-3:] = 255
    return mask


MASKS = [make_mask(boxes, ignored=i == 1) for i, boxes in enumerate(BOXES)]


def summary(cams=CAMS, boxes=BOXES, masks=MASKS, **kwargs):
    masks = masks or [None] * len(cams)
    return summarize_maps(
        [score_map(*each) for each in zip(cams, map(np.array, boxes), masks, strict=True)], **kwargs
    )


def test_the_numbers_are_those_of_the_published_definition():
    hits = [reference.hits(*each) for each in zip(CAMS, BOXES, strict=True)]
    ours = summary()
    assert ours['MaxBoxAcc'] == pytest.approx(reference.max_box_acc(hits, [0]))
    assert ours['MaxBoxAccV2'] == pytest.approx(reference.max_box_acc(hits, [1, 2, 3]))
    assert ours['PxAP'] == pytest.approx(reference.pixel_ap(CAMS, MASKS), rel=1e-6)
    assert 0 < ours['MaxBoxAcc'] < 100 and 0 < ours['MaxBoxAccV2'] < 100

    sums = [
        sum(np.mean([image[row][k] for image in hits]) for row in (1, 2, 3)) for k in range(1000)
    ]
    best = sums.index(max(sums))
    assert ours['best_threshold'] == pytest.approx(reference.TAUS[best])
    given = summary(threshold=0.3)
    assert given['BoxAccV2'] == pytest.approx(100 * sums[300] / 3)
    assert given['BoxAcc'] == pytest.approx(100 * np.mean([image[0][300] for image in hits]))
    handed_on = summary(threshold=ours['best_threshold'])
    assert (
        handed_on['BoxAccV2'] == pytest.approx(100 * max(sums) / 3)
        and handed_on['BoxAccV2'] <= ours['MaxBoxAccV2']
    )


def perfect(boxes):
    return make_mask(boxes).astype(np.float32)


def test_a_perfect_map_scores_100():
    boxes = [[[3, 2, 14, 20]], [[10, 5, 30, 22]], [[20, 10, 31, 24]]]
    ours = summary([perfect(b) for b in boxes], boxes, [make_mask(b) for b in boxes], threshold=0.5)
    expected = dict.fromkeys(
        ('MaxBoxAcc', 'MaxBoxAccV2', 'BoxAcc', 'BoxAccV2', 'pointing', 'in_box', 'PxAP'), 100
    )
    assert {key: ours[key] for key in expected} == pytest.approx(expected)
    assert ours['area'] == pytest.approx(100 * np.mean([make_mask(b).mean() for b in boxes]))
    wrong = summary(
        [np.roll(perfect(b), 15, 1) for b in boxes], boxes, [make_mask(b) for b in boxes]
    )  # negative control
    assert (
        wrong['MaxBoxAcc'] < 50
        and wrong['PxAP'] < 60
        and wrong['in_box'] < 50
        and wrong['pointing'] < 50
    )


def test_a_constant_map_gives_the_share_of_the_object():
    ours = summary([np.full((24, 31), 0.3, np.float32)] * 4)
    known = [mask[mask != 255] for mask in MASKS]
    assert ours['PxAP'] == pytest.approx(100 * np.concatenate(known).mean())
    assert ours['MaxBoxAcc'] == ours['MaxBoxAccV2'] == 0 and ours['area'] == 100
    # BOXES[1]'s mask leaves rows out, so its share is that of the boxes themselves
    shares = [make_mask(boxes).mean() for boxes in BOXES]
    assert ours['in_box'] == ours['pointing'] == pytest.approx(100 * np.mean(shares))


def test_one_mask_less_and_there_is_no_pixel_precision():
    assert 'PxAP' in summary() and 'PxAP' not in summary(masks=[*MASKS[:3], None])
    with pytest.raises(ValueError, match='on an object, got none'):
        summary(masks=[np.zeros((24, 31), np.uint8)] * 4)


@pytest.mark.parametrize('mask', [np.zeros((24, 30)), np.full((24, 31), 7)])
def test_bad_masks(mask):
    with pytest.raises(ValueError, match=r'size \(24, 31\) of the image and values 0, 1 or 255'):
        score_map(CAMS[0], np.array(BOXES[0]), mask)


def test_pixels_are_pooled_over_images():
    """The average of the images' own values is something else."""
    histograms = [
        pixel_histogram(reference.normalize(cam), mask)
        for cam, mask in zip(CAMS, MASKS, strict=True)
    ]
    assert histograms[0].dtype == np.uint16
    pooled = pixel_average_precision(np.sum(histograms, axis=0, dtype=int))
    assert pooled == pytest.approx(reference.pixel_ap(CAMS, MASKS) / 100, rel=1e-6)
    assert pooled != pytest.approx(
        np.mean([pixel_average_precision(h) for h in histograms]), rel=0.01
    )


def test_nan_raises_and_boxes_are_checked():
    cam = CAMS[0].copy()
    cam[0, 0] = np.nan
    with pytest.raises(ValueError, match='1 NaN'):
        score_map(cam, np.array(BOXES[0]))
    with pytest.raises(ValueError, match=r'got \[3.0, 2.0, 14.0, 25.0\] in an image of 31 x 24'):
        score_map(CAMS[0], np.array([[3.0, 2, 14, 25]]))


def test_without_boxes_only_the_area_is_known():
    score = score_map(CAMS[0], np.zeros((0, 4)))
    assert (
        score.hits is None and np.isnan([score.in_box, score.pointing]).all() and 0 < score.area < 1
    )


def test_predictions_are_summarized_over_the_images_that_have_what_it_takes():
    boxed = [score_map(cam, np.array(boxes)) for cam, boxes in zip(CAMS[:2], BOXES, strict=False)]
    scores = [*boxed, score_map(CAMS[2], np.zeros((0, 4)))]
    summary, expected = (
        summarize_predictions([True, False, True, True], scores),
        summarize_maps(boxed),
    )
    assert (
        list(summary) == ['accuracy', 'MaxBoxAccV2', 'in_box', 'pointing', 'area']
        and summary['accuracy'] == 75
    )
    assert all(summary[name] == expected[name] for name in ('MaxBoxAccV2', 'in_box', 'pointing'))
    assert (
        summary['area']
        == pytest.approx(100 * np.mean([score.area for score in scores]))
        != expected['area']
    )
    nothing = summarize_predictions([], scores[2:])
    assert [name for name, value in nothing.items() if value is None] == [
        'accuracy',
        'MaxBoxAccV2',
        'in_box',
        'pointing',
    ]


def test_hits_survive_packing():
    scores = [score_map(cam, np.array(boxes)) for cam, boxes in zip(CAMS, BOXES, strict=True)]
    assert all(score.hits.nbytes == 128 for score in scores)
    levels = [int(tau * 255) for tau in reference.TAUS]
    hits = np.array([reference.hits(*each) for each in zip(CAMS, BOXES, strict=True)])
    np.testing.assert_allclose(box_accuracy([s.hits for s in scores])[:, levels], hits.mean(0))
    where = np.array([True, False, True, False])
    np.testing.assert_allclose(
        box_accuracy([s.hits for s in scores], where)[:, levels], hits[::2].sum(0) / 4
    )


def test_the_centre_map_offers_centred_boxes_of_all_sizes():
    cam = centre_map((40, 60))
    assert cam.argmax() in (
        19 * 60 + 29,
        19 * 60 + 30,
        20 * 60 + 29,
        20 * 60 + 30,
    ) and cam.shape == (40, 60)
    for share in (0.2, 0.5, 0.8):
        box = [[30 - 30 * share, 20 - 20 * share, 30 + 30 * share, 20 + 20 * share]]
        assert summarize_maps([score_centre_map((40, 60), np.array(box))])['MaxBoxAccV2'] == 100
    assert (
        summarize_maps([score_centre_map((40, 60), np.array([[0, 0, 12, 8]]))])['MaxBoxAccV2'] == 0
    )
    assert (
        score_centre_map((40, 60), np.array(box)).hits.tolist()
        == score_map(cam, np.array(box)).hits.tolist()
    )
