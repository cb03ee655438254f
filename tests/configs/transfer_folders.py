"""Folders of the shape of VOC, COCO, ADE20K and Cityscapes, made of a few dense DigitScenes.

A digit is the class's number.
"""

import json

import cv2
from mmdet.datasets import CocoDataset, VOCDataset

from mmsemiloc.datasets.dense_digit_scenes import dense_scene, semantic_mask, write_dense_scenes

NUM_IMAGES = 4


def scenes(split):
    return [dense_scene(split, index, seed=0) for index in range(NUM_IMAGES)]


def write(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), image)


def write_lines(path, lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('\n'.join(lines) + '\n')


def voc_annotation(name, scene):
    """A VOC xml of a scene."""
    size = len(scene['img'])
    objects = ''.join(
        f'<object><name>{VOCDataset.METAINFO["classes"][label]}</name><difficult>0</difficult>'
        f'<bndbox><xmin>{x1 + 1}</xmin><ymin>{y1 + 1}</ymin><xmax>{x2}</xmax><ymax>{y2}</ymax>'
        '</bndbox></object>'
        for label, (x1, y1, x2, y2) in zip(scene['labels'], scene['boxes'], strict=True)
    )
    shape = f'<size><width>{size}</width><height>{size}</height><depth>3</depth></size>'
    return f'<annotation><filename>{name}.jpg</filename>{shape}{objects}</annotation>'


def make_voc(root):
    """VOCdevkit with the lists for detection (2007, 2012) and segmentation (2012 with the
    additional annotations).
    """
    for year, splits in (('2007', ('trainval', 'test')), ('2012', ('trainval',))):
        for split in splits:
            names = [f'{year}_{split}_{i}' for i in range(NUM_IMAGES)]
            write_lines(root / f'VOC{year}/ImageSets/Main/{split}.txt', names)
            for name, scene in zip(
                names, scenes('test' if split == 'test' else 'train'), strict=True
            ):
                write(root / f'VOC{year}/JPEGImages/{name}.jpg', scene['img'])
                write_lines(
                    root / f'VOC{year}/Annotations/{name}.xml', [voc_annotation(name, scene)]
                )
    for split, folder in (
        ('train', 'SegmentationClass'),
        ('aug', 'SegmentationClassAug'),
        ('val', 'SegmentationClass'),
    ):
        names = [f'seg_{split}_{i}' for i in range(NUM_IMAGES)]
        write_lines(root / f'VOC2012/ImageSets/Segmentation/{split}.txt', names)
        for name, scene in zip(names, scenes('val' if split == 'val' else 'train'), strict=True):
            write(root / f'VOC2012/JPEGImages/{name}.jpg', scene['img'])
            write(root / f'VOC2012/{folder}/{name}.png', semantic_mask(scene))


def make_coco(root):
    """COCO's folders and annotation files, with the names of its categories."""
    write_dense_scenes(root / 'made', 'train', NUM_IMAGES)
    write_dense_scenes(root / 'made', 'val', NUM_IMAGES)
    (root / 'annotations').mkdir()
    for split in ('train', 'val'):
        (root / 'made/images' / split).rename(root / f'{split}2017')
        content = json.loads((root / f'made/annotations/{split}.json').read_text())
        content['categories'] = [
            dict(id=i, name=name) for i, name in enumerate(CocoDataset.METAINFO['classes'])
        ]
        (root / f'annotations/instances_{split}2017.json').write_text(json.dumps(content))


def make_ade(root):
    """ADE20K: 0 is 'other', which the configs leave out."""
    for folder, split in (('training', 'train'), ('validation', 'val')):
        for i, scene in enumerate(scenes(split)):
            write(root / f'images/{folder}/{i}.jpg', scene['img'])
            write(root / f'annotations/{folder}/{i}.png', semantic_mask(scene))


def make_cityscapes(root):
    """Cityscapes: a folder a town, label images of the 19 training classes."""
    for split in ('train', 'val'):
        for i, scene in enumerate(scenes(split)):
            write(root / f'leftImg8bit/{split}/town/town_{i}_leftImg8bit.png', scene['img'])
            write(
                root / f'gtFine/{split}/town/town_{i}_gtFine_labelTrainIds.png',
                semantic_mask(scene),
            )


MAKERS = {
    'VOCdevkit': make_voc,
    'coco': make_coco,
    'ADEChallengeData2016': make_ade,
    'cityscapes': make_cityscapes,
}
