"""True boxes of images, from XML files as ImageNet (CLS-LOC) and Pascal VOC have them."""

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from mmcv.transforms import BaseTransform

from mmsemiloc.datasets.checks.boxes import check_boxes
from mmsemiloc.registry import TRANSFORMS


def read_boxes(path: Path) -> np.ndarray:
    """Boxes of all objects in a file.

    Returns:
        [xmin, ymin, xmax, ymax] (N, 4), float32, in pixels of the original image.

    Raises:
        ValueError: If the file is not XML, has no objects, or an object has no box.
    """
    try:
        objects = ElementTree.parse(path).getroot().findall('object')
        boxes = [
            [
                float(item.findtext(f'bndbox/{side}', ''))
                for side in ('xmin', 'ymin', 'xmax', 'ymax')
            ]
            for item in objects
        ]
    except (ElementTree.ParseError, ValueError, OSError) as error:
        raise ValueError(
            f'cannot read boxes from {path}: {type(error).__name__}: {error}'
        ) from error

    if not boxes:
        raise ValueError(f'{path} has no objects')

    return np.array(boxes, np.float32)


@TRANSFORMS.register_module()
class LoadLocalizationBoxes(BaseTransform):
    """Adds ``gt_bboxes`` (N, 4) to a loaded image, from the XML file with the image's name.

    For ``.../n01440764/n01440764_18.JPEG`` that is ``ann_dir/n01440764_18.xml`` or
    ``ann_dir/n01440764/n01440764_18.xml``. Follow it by mmcv's ``Resize``, which resizes boxes
    as well; mmpretrain's ``ResizeEdge`` does not.

    Args:
        ann_dir: Folder of the files.

    Raises:
        ValueError: With the file's name, if it is missing or damaged, or a box is empty or not in
            the image.

    Example:
        In the pipeline of ImageNet's validation images::

            boxes = 'data/imagenet/Annotations/CLS-LOC/val'
            pipeline = [
                dict(type='LoadImageFromFile'),
                dict(type='mmsemiloc.LoadLocalizationBoxes', ann_dir=boxes),
                dict(type='Resize', scale=(224, 224)),
                dict(type='PackInputs', algorithm_keys=('gt_bboxes',)),
            ]
    """

    def __init__(self, ann_dir: str) -> None:
        self.ann_dir = Path(ann_dir)

    def transform(self, results: dict) -> dict:
        """Read the boxes of one image."""
        # Some data sets have one folder per class, others one folder for all files.
        image = Path(results['img_path'])
        places = [
            self.ann_dir / f'{image.stem}.xml',
            self.ann_dir / image.parent.name / f'{image.stem}.xml',
        ]
        path = next((place for place in places if place.is_file()), None)
        if path is None:
            raise ValueError(f'no boxes for {image}: neither {places[0]} nor {places[1]} is a file')

        boxes = read_boxes(path)
        try:
            check_boxes(boxes, results['img'].shape[:2])
        except ValueError as error:
            raise ValueError(f'{path}: {error}') from error
        results['gt_bboxes'] = boxes
        return results
