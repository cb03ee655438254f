"""A labelled and an unlabelled dataset side by side."""

from collections.abc import Sequence

import numpy as np
import torch
from mmengine.dataset import BaseDataset, ConcatDataset

from mmsemiloc.datasets.checks.classes import check_classes
from mmsemiloc.datasets.checks.overlap import check_overlap
from mmsemiloc.datasets.contents import class_names, describe, labels_of
from mmsemiloc.datasets.draws import Draw
from mmsemiloc.datasets.images.fault_policy import FaultPolicy
from mmsemiloc.datasets.images.loading import use_our_loader
from mmsemiloc.datasets.sources import build_parts, check_parts, metainfo_keys
from mmsemiloc.datasets.tolerant_dataset import from_place
from mmsemiloc.registry import DATASETS


def first_and_other_views(item: dict, part: ConcatDataset, place: int, kind: str) -> dict:
    """The sample of an image in several views.

    The first view is ``inputs``, the others are ``data_samples.views``. So every collate function
    takes images in one and in several views together.

    Raises:
        ValueError: If the views differ in size.
    """
    views = item['inputs']
    if not isinstance(views, list):
        return item
    if len({view.shape for view in views}) != 1:
        raise ValueError(
            f'the views of {describe(part, place, kind)} need one size, got '
            f'{[tuple(view.shape) for view in views]}'
        )

    item['inputs'] = views[0]
    if len(views) > 1:
        item['data_samples'].set_field(torch.stack(views[1:]), 'views')
    return item


def without_hidden_label(item: dict, place: int, labeled: bool) -> dict:
    """The sample of an image, without a label if it is unlabelled.

    Args:
        item: The sample, as its pipeline packs it.
        place: Number of the image in its source.
        labeled: Whether the source is the labelled one.

    Raises:
        ValueError: If a labelled image has no label.
    """
    sample = item['data_samples']
    if not labeled:
        for key in ('gt_label', 'gt_score'):
            if key in sample:
                delattr(sample, key)
        return item

    if 'gt_label' not in sample and 'gt_score' not in sample:
        raise ValueError(
            f'SemiSupDataset: labelled image {place} has no label '
            f'({sample.get("img_path", "no path")})'
        )
    return item


@DATASETS.register_module()
class SemiSupDataset(ConcatDataset):
    """The labelled images, then the unlabelled ones, as one dataset for ``SemiSupSampler``.

    Any label that the unlabelled dataset happens to know (ImageNet folders, say) is removed from
    its samples, so that it cannot reach the model. The metainfo (class names) is that of the
    labelled dataset; without one there are no names.

    Args:
        labeled: Config of the labelled dataset, or the dataset, or a list of such; None to train
            without labels.
        unlabeled: The same for the unlabelled images; None if all images are labelled.
        faults: Arguments of :class:`FaultPolicy`: ``dict(action='skip', budget=100)`` replaces up
            to 100 unreadable images by the next one of the same source; by default the first one is
            an error.
        allow_overlap: Whether an unlabelled image may be a labelled one too.

    Raises:
        ValueError: If there is no source, one is empty, its list file is wrong (with the line), or
            a labelled image has no label (on access, with its index).
        UnreadableImageError: If an image cannot be read (on access, with its index, its path and
            the cause).
        TransformError: If a transform other than the loading one fails (on access, with its name,
            the image and the cause).
    """

    def __init__(
        self,
        labeled: dict | BaseDataset | Sequence | None,
        unlabeled: dict | BaseDataset | Sequence | None = None,
        faults: dict | None = None,
        allow_overlap: bool = False,
    ) -> None:
        if labeled is None and unlabeled is None:
            raise ValueError('SemiSupDataset needs labelled or unlabelled images, got neither')
        known = [] if labeled is None else build_parts(labeled, True)
        check_parts(known)
        others = [] if unlabeled is None else build_parts(unlabeled, False)
        self.labeled, self.unlabeled = (
            ConcatDataset(parts, ignore_keys=metainfo_keys(parts)) if parts else None
            for parts in (known, others)
        )

        # Only labels give the classes: an unlabelled dataset does not know their names, and
        # ConcatDataset would refuse it.
        parts = [*known, *others]
        super().__init__(parts, ignore_keys=metainfo_keys(parts))

        self.allow_overlap = allow_overlap
        self.faults = FaultPolicy(**(faults or {}))
        self.faults.prepare(len(self))
        use_our_loader(self)

    @property
    def metainfo(self) -> dict:
        """That of the labelled images: an unlabelled dataset may have other classes, or none."""
        return {} if self.labeled is None else super().metainfo

    @property
    def num_labeled(self) -> int:
        """S: the labelled images have indices 0 to S - 1."""
        return 0 if self.labeled is None else len(self.labeled)

    @property
    def num_unlabeled(self) -> int:
        """U: the unlabelled images have indices S to S + U - 1."""
        return len(self) - self.num_labeled

    def labels(self) -> np.ndarray:
        """Class of each labelled image (S,).

        Raises:
            ValueError: If there are soft labels, several per image, or none.
        """
        labels = np.zeros(0, np.int64) if self.labeled is None else labels_of(self.labeled)
        if labels is None:
            raise ValueError(
                'the labelled images have no single class each (gt_label), which is needed here'
            )
        return labels

    def labeled_class_counts(self, num_classes: int = 0) -> list[int]:
        """Number of labelled images of each class.

        Args:
            num_classes: How many classes there are at least, beside those that have a name.
        """
        classes = max(num_classes, len(class_names(self)))
        return np.bincount(self.labels(), minlength=classes).tolist()

    def check(self, num_classes: int, validation: BaseDataset | None = None) -> None:
        """Look at all classes, labels and paths before training.

        See :func:`check_classes` and :func:`check_overlap`.

        Soft labels, and datasets that cannot list their labels, are not checked. Takes some seconds
        for a million images.

        Args:
            num_classes: C of the model.
            validation: The images for validation.

        Raises:
            ValueError: With the first image, or the classes, that are wrong.
        """
        if self.labeled is not None:
            check_classes(self.labeled, num_classes, 'labelled')
        check_overlap(self.labeled, self.unlabeled, validation, self.allow_overlap)

    def __getitem__(self, idx: int) -> dict:
        """One sample, as the pipeline of its dataset packs it.

        Random numbers of the pipeline are those of the draw, if ``SemiSupSampler`` drew the index.
        """
        if isinstance(idx, Draw):
            idx.seed_transforms()

        labeled = idx < self.num_labeled
        part, kind, start = (
            (self.labeled, 'labelled', 0)
            if labeled
            else (self.unlabeled, 'unlabelled', self.num_labeled)
        )
        assert part is not None  # an index of an image is one of its source
        source = part

        def read(place: int) -> dict:
            """The sample of the image at a place of the source."""
            item = without_hidden_label(source[place], place, labeled)
            return first_and_other_views(item, source, place, kind)

        return self.faults.first_readable(
            from_place(idx - start, len(source)),
            read,
            lambda place: describe(source, place, kind),
            start,
        )
