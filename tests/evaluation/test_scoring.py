"""Images that are scored one by one, and the metrics over all of them."""

import numpy as np
import pytest

from mmsemiloc.evaluation import score_centre_map, score_map, summarize_maps
from mmsemiloc.evaluation.image_scores import compute, followed_values, update
from mmsemiloc.evaluation.scoring import image_name, naming, scored_batches
from tests.conftest import make_batch, make_model
from tests.evaluation.test_map_scores import BOXES, CAMS, MASKS
from tests.study.test_evaluate import LABELS, load, make_loader

SIZE = CAMS[0].shape
NO_BOX = np.zeros((0, 4))


def scores(**kwargs):
    return [
        update(SIZE, np.array(boxes), cam, correct=i != 1, mask=mask, **kwargs)
        for i, (cam, boxes, mask) in enumerate(zip(CAMS, BOXES, MASKS, strict=True))
    ]


def test_the_keys_are_a_map_and_a_measure():
    metrics = compute(scores(), threshold=0.3)
    cases = list(zip(CAMS, map(np.array, BOXES), MASKS, strict=True))
    expected = {
        'top1': summarize_maps([score_map(*case) for case in cases], 0.3),
        'centre': summarize_maps([score_centre_map(SIZE, *case[1:]) for case in cases]),
        'uniform': summarize_maps([score_map(np.ones(SIZE), *case[1:]) for case in cases]),
    }
    assert metrics == pytest.approx(
        {f'{name}_{key}': v for name, values in expected.items() for key, v in values.items()}
    )


def test_a_map_that_one_image_lacks_is_left_out():
    few = [*scores(), update(SIZE, np.array(BOXES[0]))]
    assert {key.partition('_')[0] for key in compute(few)} == {'centre', 'uniform'}
    alone = compute(scores(baselines=False))
    assert {key.partition('_')[0] for key in alone} == {'top1'}


def test_top1_loc_counts_boxes_of_correctly_classified_images():
    # Not the last one: its box is the whole image, which a constant map cannot have.
    perfect = [(mask == 1).astype(np.float32) for mask in MASKS[:3]]
    cases = list(zip(perfect, map(np.array, BOXES[:3]), strict=True))
    one_wrong = [update(SIZE, b, cam, cam, correct=i > 0) for i, (cam, b) in enumerate(cases)]
    metrics = compute(one_wrong)
    assert metrics['gt_MaxBoxAcc'] == metrics['top1_MaxBoxAcc'] == 100
    assert metrics['top1_loc'] == pytest.approx(200 / 3)
    assert one_wrong[1].maps['gt'] is one_wrong[1].maps['top1']  # not scored twice


def test_images_without_a_box_count_in_the_area_only():
    boxed, bare = scores(), update(SIZE, NO_BOX, CAMS[0], correct=None)
    values = followed_values([*boxed, bare])
    assert values['accuracy'] == 75
    expected = compute(boxed)
    for name in ('MaxBoxAccV2', 'in_box', 'pointing'):
        assert values[name] == expected[f'top1_{name}']
    areas = [score.maps['top1'].area for score in (*boxed, bare)]
    assert values['area'] == pytest.approx(100 * np.mean(areas)) != expected['top1_area']
    assert [key for key, value in followed_values([bare]).items() if value is not None] == ['area']


def test_baselines_have_values_but_no_accuracy():
    plain = [update(SIZE, np.array(boxes)) for boxes in BOXES]
    values = followed_values(plain, 'uniform')
    assert values['accuracy'] is None and values['area'] == 100 and values['MaxBoxAccV2'] == 0


def test_errors_begin_with_the_image():
    assert image_name(dict(img_path='a.png'), 3) == 'a.png' and image_name({}, 3) == 'image 3'
    with pytest.raises(ValueError, match='^a.png: bad$'), naming('a.png'):
        raise ValueError('bad')
    with pytest.raises(KeyError), naming('a.png'):
        raise KeyError('not about the image')


@pytest.mark.parametrize('batch_size', [3, 7])
def test_the_loop_hands_out_each_image_with_its_score(batch_size):
    model, loader = make_model().eval(), make_loader(batch_size=batch_size)
    batches = list(scored_batches(model, loader, numbers=range(10, 17)))
    assert [len(batch) for batch in batches] == ([3, 3, 1] if batch_size == 3 else [7])
    images = [image for batch in batches for image in batch]
    assert [image.label for image in images] == LABELS
    assert [image.index for image in images] == list(range(10, 17))
    for image in images:
        expected = score_map(image.cam, image.boxes)
        assert image.score.maps['top1'].in_box == expected.in_box
        assert image.score.correct == (image.probabilities.argmax() == image.label)
        assert list(image.score.maps) == ['top1']


def test_the_loop_names_the_image():
    model, loader = make_model().eval(), make_loader()
    loader.dataset[5]['data_samples'].set_field([0, 0, 40, 10], 'gt_bboxes')
    for path, name in ((None, 'image 5'), ('seen/5.png', 'seen/5.png')):
        loader.dataset[5]['data_samples'].set_metainfo(dict(img_path=path))
        with pytest.raises(ValueError, match=f'^{name}: a box .* 32 x 32'):
            list(scored_batches(model, loader))
    labels = [
        image.label
        for batch in scored_batches(model, load(make_batch([0, None])))
        for image in batch
    ]
    assert labels == [0, None]
