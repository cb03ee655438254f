"""A labelled and an unlabelled dataset side by side."""
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import numpy as np
from mmengine.dataset import BaseDataset, ConcatDataset

from mmsemiloc.datasets.checks import check_labels, check_overlap, describe, leaves
from mmsemiloc.datasets.faults import FaultPolicy, UnreadableImageError, cannot_be_read
from mmsemiloc.datasets.image_listing import parse_list
from mmsemiloc.registry import DATASETS


def build_source(part: dict | BaseDataset | Sequence, labeled: bool) -> BaseDataset:
    """A dataset, built from its config; several of them as one.

    Raises:
        ValueError: If it has no images, or with the line of its list file that is wrong.
    """
    if isinstance(part, Sequence):
        parts = [build_source(one, labeled) for one in part]
        # Unlabelled datasets need not agree on the names of classes.
        return ConcatDataset(parts, ignore_keys=None if labeled else sorted({key for one in parts for key in one.metainfo}))
    if not isinstance(part, dict):
        return part
    try:
        dataset = DATASETS.build(part)
        if not len(dataset):
            raise ValueError(f'no images in {part}')
        return dataset
    except (ValueError, OSError):
        list_file = Path(part.get('data_root', ''), part.get('ann_file', ''))
        if list_file.suffix == '.txt':
            parse_list(list_file, labeled)  # names the line
        raise


@DATASETS.register_module()
class SemiSupDataset(ConcatDataset):
    """The labelled images, then the unlabelled ones, as one dataset for ``SemiSupSampler``.

    Any label that the unlabelled dataset happens to know (ImageNet folders, say) is removed from its samples, so that it
    cannot reach the model. The metainfo (class names) is that of the labelled dataset.

    Args:
        labeled: Config of the labelled dataset, or the dataset, or a list of such.
        unlabeled: The same for the unlabelled images; None if all images are labelled.
        faults: Arguments of :class:`FaultPolicy`: ``dict(action='skip', budget=100)`` replaces up to 100 unreadable images by
            the next one of the same source; by default the first one is an error.
        allow_overlap: Whether an unlabelled image may be a labelled one too.

    Raises:
        ValueError: If a source is empty, its list file is wrong (with the line), or a labelled image has no label (on access,
            with its index).
        UnreadableImageError: If an image cannot be read (on access, with its index, its path and the cause).
    """

    def __init__(self,
                 labeled: dict | BaseDataset | Sequence,
                 unlabeled: dict | BaseDataset | Sequence | None = None,
                 faults: dict | None = None,
                 allow_overlap: bool = False) -> None:
        datasets = [build_source(labeled, True), *([build_source(unlabeled, False)] if unlabeled is not None else [])]
        # Only labels give the classes: an unlabelled dataset does not know their names, and ConcatDataset would refuse it.
        super().__init__(datasets, ignore_keys=sorted({key for part in datasets for key in part.metainfo}))
        self.allow_overlap = allow_overlap
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
        return np.concatenate([leaf.get_gt_labels() for leaf in leaves(self.datasets[0])])

    def labeled_class_counts(self) -> list[int]:
        """Labelled images of each class."""
        return np.bincount(self.labels(), minlength=len(self.metainfo['classes'])).tolist()

    def check(self, num_classes: int, validation: BaseDataset | None = None) -> None:
        """Look at all labels and paths before training; see :func:`check_labels` and :func:`check_overlap`.

        Soft labels, and datasets that cannot list their labels, are not checked. Takes some seconds for a million images.

        Args:
            num_classes: C of the model.
            validation: The images for validation.

        Raises:
            ValueError: With the first image that is wrong.
        """
        try:
            labels = self.labels()
        except (AttributeError, KeyError):
            labels = None
        if labels is not None:
            check_labels(self.datasets[0], labels, num_classes, self.metainfo.get('classes', ()))
        unlabeled = self.datasets[1] if self.num_unlabeled else None
        check_overlap(self.datasets[0], unlabeled, validation, self.allow_overlap)

    def __getitem__(self, idx: int) -> dict:
        """One sample, as the pipeline of its dataset packs it."""
        labeled = idx < self.num_labeled
        part, kind, start = ((self.datasets[0], 'labelled', 0) if labeled else
                             (self.datasets[1], 'unlabelled', self.num_labeled))
        first = idx - start
        for place in chain(range(first, len(part)), range(first)):
            if self.faults.is_skipped(start + place):
                continue
            try:
                return self._without_hidden_label(part[place], place, labeled)
            except Exception as error:
                if not cannot_be_read(error):
                    raise
                self.faults.handle(start + place, describe(part, place, kind), error)
        raise UnreadableImageError(f'no {kind} image of {len(part)} can be read')

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
