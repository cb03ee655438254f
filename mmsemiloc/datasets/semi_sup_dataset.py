"""A labelled and an unlabelled dataset side by side."""
import numpy as np
from mmengine.dataset import ConcatDataset
from torch.utils.data import Dataset

from mmsemiloc.registry import DATASETS


@DATASETS.register_module()
class SemiSupDataset(ConcatDataset):
    """The labelled images, then the unlabelled ones, as one dataset for ``SemiSupSampler``.

    Any label that the unlabelled dataset happens to know (ImageNet folders, say) is removed from its samples, so that it
    cannot reach the model. The metainfo (class names) is that of the labelled dataset.

    Args:
        labeled: Config of the labelled dataset, or the dataset.
        unlabeled: Config of the unlabelled dataset, or the dataset; None if all images are labelled.

    Raises:
        ValueError: If a labelled image has no label (on access, with its index).
    """

    def __init__(self, labeled: dict | Dataset, unlabeled: dict | Dataset | None = None) -> None:
        parts = [part for part in (labeled, unlabeled) if part is not None]
        datasets = [DATASETS.build(part) if isinstance(part, dict) else part for part in parts]
        # Only labels give the classes: an unlabelled dataset does not know their names, and ConcatDataset would refuse it.
        super().__init__(datasets, ignore_keys=sorted({key for part in datasets for key in part.metainfo}))

    @property
    def num_labeled(self) -> int:
        """S: the labelled images have indices 0 to S - 1."""
        return len(self.datasets[0])

    @property
    def num_unlabeled(self) -> int:
        """U: the unlabelled images have indices S to S + U - 1."""
        return len(self) - self.num_labeled

    def labeled_class_counts(self) -> list[int]:
        """Labelled images of each class."""
        return np.bincount(self.datasets[0].get_gt_labels(), minlength=len(self.metainfo['classes'])).tolist()

    def __getitem__(self, idx: int) -> dict:
        """One sample, as the pipeline of its dataset packs it."""
        item = super().__getitem__(idx)
        sample = item['data_samples']
        if idx < self.num_labeled:
            if 'gt_label' not in sample and 'gt_score' not in sample:
                raise ValueError(f'SemiSupDataset: labelled image {idx} has no label ({sample.get("img_path", "no path")})')
        else:
            for key in ('gt_label', 'gt_score'):
                if key in sample:
                    delattr(sample, key)
        return item
