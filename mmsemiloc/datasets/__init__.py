"""Data: what a batch is composed of, and the rooms ``images``, ``listing`` and ``checks``.

- Batches: ``semi_sup_dataset.py`` joins the sources, ``semi_sup_sampler.py`` draws from them.
- ``images/``: how one image is read, and what happens if it cannot be read.
- ``listing/``: which images and classes there are, from folders and list files.
- ``checks/``: what is wrong with the data, found before training.
"""

from mmsemiloc.datasets.digit_scenes import DigitScenes
from mmsemiloc.datasets.elpv import ELPV
from mmsemiloc.datasets.fashion_mnist import FashionMNIST
from mmsemiloc.datasets.image_folders import CustomDataset, ImageNet
from mmsemiloc.datasets.images.channels import GrayToBGR
from mmsemiloc.datasets.images.loading import LoadImageFromFile
from mmsemiloc.datasets.lmdb_dataset import LmdbDataset
from mmsemiloc.datasets.localization_boxes import LoadLocalizationBoxes
from mmsemiloc.datasets.semi_sup_dataset import SemiSupDataset
from mmsemiloc.datasets.semi_sup_sampler import SemiSupSampler
from mmsemiloc.datasets.tolerant_dataset import TolerantDataset

__all__ = [
    'ELPV',
    'CustomDataset',
    'DigitScenes',
    'FashionMNIST',
    'GrayToBGR',
    'ImageNet',
    'LmdbDataset',
    'LoadImageFromFile',
    'LoadLocalizationBoxes',
    'SemiSupDataset',
    'SemiSupSampler',
    'TolerantDataset',
]
