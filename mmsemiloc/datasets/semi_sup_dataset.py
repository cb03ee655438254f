"""A labelled and an unlabelled dataset side by side."""
from itertools import chain

import numpy as np
from mmengine.dataset import BaseDataset, ConcatDataset
from torch.utils.data import Dataset

from mmsemiloc.datasets.faults import FaultPolicy, UnreadableImageError, cannot_be_read
from mmsemiloc.registry import DATASETS


def describe(dataset: BaseDataset, place: int, labeled: bool) -> str:
    """An image in words: its source, index and path."""
    path = dataset.get_data_info(place).get('img_path', 'no path') if hasattr(dataset, 'get_data_info') else 'no path'
    return f'{"labelled" if labeled else "unlabelled"} image {place} of {len(dataset)} ({path})'


@DATASETS.register_module()
class SemiSupDataset(ConcatDataset):
    """The labelled images, then the unlabelled ones, as one dataset for ``SemiSupSampler``.

    Any label that the unlabelled dataset happens to know (ImageNet folders, say) is removed from its samples, so that it
    cannot reach the model. The metainfo (class names) is that of the labelled dataset.

    Args:
        labeled: Config of the labelled dataset, or the dataset.
        unlabeled: Config of the unlabelled dataset, or the dataset; None if all images are labelled.
        faults: Arguments of :class:`FaultPolicy`: ``dict(action='skip', budget=100)`` replaces up to 100 unreadable images by
            the next one of the same source; by default the first one is an error.

    Raises:
        ValueError: If a labelled image has no label (on access, with its index).
        UnreadableImageError: If an image cannot be read (on access, with its index, its path and the cause).
    """

    def __init__(self, labeled: dict | Dataset, unlabeled: dict | Dataset | None = None, faults: dict | None = None) -> None:
        parts = [part for part in (labeled, unlabeled) if part is not None]
        datasets = [DATASETS.build(part) if isinstance(part, dict) else part for part in parts]
        # Only labels give the classes: an unlabelled dataset does not know their names, and ConcatDataset would refuse it.
        super().__init__(datasets, ignore_keys=sorted({key for part in datasets for key in part.metainfo}))
        self.faults = FaultPolicy(**(faults or {}))
        self.faults.prepare(len(self))

    @property
    def num_labeled(self) -> int:
        """S: the labelled images have indices 0 to S - 1."""
        return len(self.datasets[0])

    @property
    def num_unlabeled(self) -> int:
        """U: the unlabelled images have indices S to S + U - 1."""
        return len(self) - self.num_labeled

    def labels(self) -> np.ndarray:
        """Class of each labelled image (S,)."""
        return np.asarray(self.datasets[0].get_gt_labels())

    def labeled_class_counts(self) -> list[int]:
        """Labelled images of each class."""
        return np.bincount(self.labels(), minlength=len(self.metainfo['classes'])).tolist()

    def check_labels(self, num_classes: int) -> None:
        """Look at the labels of all labelled images, which on a GPU would be a device-side assert in mid-training.

        Soft labels, and datasets that cannot list their labels, are not checked.

        Raises:
            ValueError: If a label is not 0 to ``num_classes`` - 1, with the first such image.
        """
        try:
            labels = np.asarray(self.datasets[0].get_gt_labels())
        except (AttributeError, KeyError):
            return
        bad = np.flatnonzero((labels < 0) | (labels >= num_classes))
        if len(bad):
            raise ValueError(f'{describe(self.datasets[0], int(bad[0]), True)} has label {labels[bad[0]]}, but the model has '
                             f'{num_classes} classes, 0 to {num_classes - 1} ({len(bad)} such images)')

    def __getitem__(self, idx: int) -> dict:
        """One sample, as the pipeline of its dataset packs it."""
        labeled = idx < self.num_labeled
        part = self.datasets[0 if labeled else 1]
        first = idx if labeled else idx - self.num_labeled
        for place in chain(range(first, len(part)), range(first)):
            try:
                return self._without_hidden_label(part[place], place, labeled)
            except Exception as error:
                if not cannot_be_read(error):
                    raise
                self.faults.handle(place + (0 if labeled else self.num_labeled), describe(part, place, labeled), error)
        raise UnreadableImageError(f'no {"labelled" if labeled else "unlabelled"} image of {len(part)} can be read')

    def _without_hidden_label(self, item: dict, place: int, labeled: bool) -> dict:
        """The sample, without a label if it is unlabelled."""
        sample = item['data_samples']
        if not labeled:
            for key in ('gt_label', 'gt_score'):
                if key in sample:
                    delattr(sample, key)
        elif 'gt_label' not in sample and 'gt_score' not in sample:
            raise ValueError(f'SemiSupDataset: labelled image {place} has no label ({sample.get("img_path", "no path")})')
        return item
