import numpy as np
import pytest
from mmcv.transforms import Compose

from mmsemiloc.datasets import LoadLocalizationBoxes

OBJECT = (
    '<object><name>n01440764</name><bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax>'
    '<ymax>{}</ymax></bndbox></object>'
)


def write(path, *boxes):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f'<annotation><size><width>60</width><height>40</height></size>'
        f'{"".join(OBJECT.format(*box) for box in boxes)}</annotation>'
    )


def load(folder, image='data/val/n01440764/a.JPEG', **results):
    return LoadLocalizationBoxes(folder)(
        dict(img_path=image, img=np.zeros((40, 60, 3), np.uint8), **results)
    )


@pytest.mark.parametrize('place', ['a.xml', 'n01440764/a.xml'])
def test_boxes_of_all_objects(tmp_path, place):
    write(tmp_path / place, (1, 2, 30, 40), (0, 0, 60, 40))
    boxes = load(tmp_path)['gt_bboxes']
    assert boxes.dtype == np.float32 and boxes.tolist() == [[1, 2, 30, 40], [0, 0, 60, 40]]


def test_mmcv_moves_them_along(tmp_path):
    write(tmp_path / 'a.xml', (6, 10, 30, 40))
    pipeline = Compose(
        [
            dict(type='mmsemiloc.LoadLocalizationBoxes', ann_dir=str(tmp_path)),
            dict(type='Resize', scale=(120, 20)),
            dict(type='CenterCrop', crop_size=(100, 10)),
        ]
    )
    results = pipeline(dict(img_path='a.JPEG', img=np.zeros((40, 60, 3), np.uint8)))
    np.testing.assert_allclose(
        results['gt_bboxes'], [[12 - 10, 5 - 5, 60 - 10, 10]]
    )  # cut off below


@pytest.mark.parametrize(
    'content, match',
    [
        (
            None,
            r'no boxes for data/val/n01440764/a.JPEG: neither .*a.xml nor .*n01440764/a.xml '
            r'is a file',
        ),
        ('<annotation><object>', 'cannot read boxes from .*a.xml: ParseError'),
        ('<annotation></annotation>', 'a.xml has no objects'),
        (
            '<annotation><object><name>x</name></object></annotation>',
            'cannot read boxes from .*a.xml: ValueError',
        ),
        (
            f'<annotation>{OBJECT.format(1, 2, 61, 5)}</annotation>',
            r'a.xml: .* got \[1.0, 2.0, 61.0, 5.0\] in an image of 60 x 40',
        ),
        (
            f'<annotation>{OBJECT.format(9, 2, 4, 5)}</annotation>',
            r'a.xml: .* got \[9.0, 2.0, 4.0, 5.0\]',
        ),
        (
            f'<annotation>{OBJECT.format("x", 2, 4, 5)}</annotation>',
            'cannot read boxes from .*a.xml: ValueError',
        ),
    ],
)
def test_missing_and_wrong_files_are_named(tmp_path, content, match):
    if content is not None:
        (tmp_path / 'a.xml').write_text(content)
    with pytest.raises(ValueError, match=match):
        load(tmp_path)
