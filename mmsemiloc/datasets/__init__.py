from mmsemiloc.datasets.digit_scenes import DigitScenes
from mmsemiloc.datasets.lmdb_dataset import LmdbDataset
from mmsemiloc.datasets.localization_boxes import LoadLocalizationBoxes
from mmsemiloc.datasets.semi_sup_dataset import SemiSupDataset
from mmsemiloc.datasets.semi_sup_sampler import SemiSupSampler

__all__ = ['DigitScenes', 'LmdbDataset', 'LoadLocalizationBoxes', 'SemiSupDataset', 'SemiSupSampler']
