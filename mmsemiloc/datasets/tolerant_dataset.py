"""A dataset whose unreadable images are named, or replaced by the next one."""

from collections.abc import Iterable
from itertools import chain
from typing import Any

from mmengine.dataset import BaseDataset, ConcatDataset

from mmsemiloc.datasets.contents import describe
from mmsemiloc.datasets.images.fault_policy import FaultPolicy
from mmsemiloc.datasets.images.loading import use_our_loader
from mmsemiloc.registry import DATASETS


def from_place(place: int, size: int) -> Iterable[int]:
    """All places of ``size``, from one of them on and around."""
    return chain(range(place, size), range(place))


@DATASETS.register_module()
class TolerantDataset(ConcatDataset):
    """Any dataset for evaluation, with the care that :class:`SemiSupDataset` has for training.

    An unreadable image, or a transform that fails, is an error of one line with the image's index
    and path; with ``faults=dict(action='skip', budget=...)`` unreadable images are replaced by the
    next one, each is logged and counted. What the dataset knows (``metainfo``, ``get_gt_labels``,
    ``data_root`` ...) is known of this one too.

    Args:
        dataset: Config of the dataset, or the dataset.
        faults: Arguments of :class:`FaultPolicy`.
        kind: What its images are called in messages.

    Raises:
        UnreadableImageError: If an image cannot be read (on access, with its index, its path and
            the cause).
        TransformError: If another transform than the loading one fails (on access).
    """

    def __init__(
        self, dataset: dict | BaseDataset, faults: dict | None = None, kind: str = 'validation'
    ) -> None:
        super().__init__([dataset])
        self.kind = kind
        self.faults = FaultPolicy(**(faults or {}))
        self.faults.prepare(len(self))
        use_our_loader(self)

    def __getattr__(self, name: str) -> Any:
        """What the dataset knows, for names that this one lacks."""
        if name == 'datasets':  # not there yet, while it is copied
            raise AttributeError(name)
        return getattr(self.datasets[0], name)

    def __getitem__(self, idx: int) -> dict:
        """One sample, as the pipeline of the dataset packs it."""
        place = idx + len(self) if idx < 0 else idx
        return self.faults.first_readable(
            from_place(place, len(self)),
            super().__getitem__,
            lambda place: describe(self, place, self.kind),
        )


def tolerant(dataset: dict, faults: dict | None = None, kind: str = 'validation') -> dict:
    """The config of a :class:`TolerantDataset` around a dataset, unless it is one already."""
    if str(dataset.get('type')).rpartition('.')[2] == 'TolerantDataset':
        return dataset
    return dict(type='mmsemiloc.TolerantDataset', dataset=dataset, faults=faults, kind=kind)
