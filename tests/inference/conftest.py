"""Photos in folders, and the pipeline that reads them."""

import cv2
import numpy as np
import pytest
from mmengine.dataset import Compose

from mmsemiloc.inference.photos import file_pipeline


@pytest.fixture
def pipeline(scope):
    return Compose(file_pipeline([dict(type='PackInputs')]))


@pytest.fixture
def folder(tmp_path):
    """Images of two sizes, two files that are not images, and a text."""
    for name, size in (('a.png', 32), ('b/c.JPG', 32), ('b/d.png', 48)):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        cv2.imwrite(
            str(path), np.random.default_rng(size).integers(0, 256, (size, 32, 3), dtype=np.uint8)
        )
    (tmp_path / 'b' / 'broken.jpg').write_bytes(b'no image')
    (tmp_path / 'empty.png').write_bytes(b'')
    (tmp_path / 'text.txt').write_text('no image')
    return tmp_path
