from mmsemiloc.datasets.digit_scenes import DigitScenes
from mmsemiloc.datasets.image_folders import CustomDataset, ImageNet
from mmsemiloc.datasets.images.loading import LoadImageFromFile
from mmsemiloc.datasets.lmdb_dataset import LmdbDataset
from mmsemiloc.datasets.localization_boxes import LoadLocalizationBoxes
from mmsemiloc.datasets.semi_sup_dataset import SemiSupDataset
from mmsemiloc.datasets.semi_sup_sampler import SemiSupSampler
from mmsemiloc.datasets.tolerant_dataset import TolerantDataset

__all__ = [
    'CustomDataset',
    'DigitScenes',
    'ImageNet',
    'LmdbDataset',
    'LoadImageFromFile',
    'LoadLocalizationBoxes',
    'SemiSupDataset',
    'SemiSupSampler',
    'TolerantDataset',
]
