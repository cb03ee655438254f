import json

import cv2
import numpy as np
import pytest
from pycocotools.coco import COCO

from mmsemiloc.datasets.dense_digit_scenes import dense_scene, write_dense_scenes


def test_digits_do_not_overlap_and_boxes_fit():
    counts = set()
    for index in range(40):
        scene = dense_scene('train', index, seed=0)
        assert scene['img'].shape == (96, 96, 3) and scene['img'].dtype == np.uint8
        assert sum(scene['masks']).max() == 1
        for (x1, y1, x2, y2), mask in zip(scene['boxes'], scene['masks'], strict=True):
            assert mask[y1:y2, x1:x2].sum() == mask.sum() > 10
            assert mask[y1:y2, [x1, x2 - 1]].any(0).all() and mask[[y1, y2 - 1], x1:x2].any(1).all()
        counts.add(len(scene['labels']))
    assert counts == {1, 2, 3, 4, 5}


def test_scenes_depend_on_seed_split_and_number():
    first = dense_scene('train', 3, seed=0)
    assert np.array_equal(first['img'], dense_scene('train', 3, seed=0)['img'])
    for other in (
        dense_scene('train', 4, seed=0),
        dense_scene('train', 3, seed=1),
        dense_scene('val', 3, seed=0),
    ):
        assert not np.array_equal(first['img'], other['img'])


def test_files_hold_the_scenes(tmp_path):
    write_dense_scenes(tmp_path, 'val', 5, seed=2)
    coco = COCO(str(tmp_path / 'annotations' / 'val.json'))
    assert len(coco.imgs) == 5 and len(coco.cats) == 10
    for index in range(5):
        scene = dense_scene('val', index, seed=2)
        name = coco.imgs[index]['file_name']
        assert np.array_equal(cv2.imread(str(tmp_path / 'images' / 'val' / name)), scene['img'])
        mask = cv2.imread(str(tmp_path / 'masks' / 'val' / name), cv2.IMREAD_UNCHANGED)
        assert sorted(set(mask.flatten()) - {0}) == sorted({label + 1 for label in scene['labels']})
        annotations = coco.imgToAnns[index]
        assert [a['category_id'] for a in annotations] == scene['labels']
        for annotation, (x1, y1, x2, y2), true in zip(
            annotations, scene['boxes'], scene['masks'], strict=True
        ):
            assert (
                annotation['bbox'] == [x1, y1, x2 - x1, y2 - y1]
                and annotation['area'] == true.sum()
            )
            drawn = coco.annToMask(annotation)
            assert (
                drawn & true
            ).sum() / true.sum() > 0.6  # an outline runs through the middle of its pixels


@pytest.mark.parametrize('args', [('dev', 3), ('val', 0)])
def test_bad_input(tmp_path, args):
    with pytest.raises(ValueError, match=str(args[0 if args[0] == 'dev' else 1])):
        write_dense_scenes(tmp_path, *args)
    assert not list(tmp_path.iterdir())


def test_annotations_are_plain_json(tmp_path):
    write_dense_scenes(tmp_path, 'test', 1)
    assert set(json.loads((tmp_path / 'annotations' / 'test.json').read_text())) == {
        'images',
        'annotations',
        'categories',
    }
