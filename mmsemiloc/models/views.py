"""Images in several views: which view of which image each row of a batch is."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from mmpretrain.structures import DataSample
from torch import Tensor

MAX_VIEWS = 16
# Columns of `Views.counts`. The first view of an image is the weak one.
VIEWS = {'all': slice(None), 'weak': slice(0, 1), 'strong': slice(1, None)}


@dataclass(frozen=True)
class Selection:
    """Which views of which images a term of the loss reads.

    Attributes:
        views: 'all', 'weak' (the first of each image) or 'strong' (the others).
        unlabeled: Whether it leaves out labelled images.

    Raises:
        ValueError: If ``views`` is unknown.
    """

    views: str = 'all'
    unlabeled: bool = False

    def __post_init__(self) -> None:
        if self.views not in VIEWS:
            raise ValueError(f'views must be one of {tuple(VIEWS)}, got {self.views!r}')


@dataclass(frozen=True)
class Views:
    """Which view of which image each of the N rows of a batch is.

    The tensors are on the CPU, where indexing by them does not wait for the device.

    Attributes:
        number: Number of each view in its image (N,): 0 is the weak one.
        labeled: Whether the image has a label, bool (N,).
        image: Number of the image (N,).
    """

    number: Tensor
    labeled: Tensor
    image: Tensor

    @classmethod
    def of(cls, samples: Sequence[DataSample]) -> 'Views':
        """Those of a preprocessed batch, which has a sample for each view."""
        images = [sample.get('image', place) for place, sample in enumerate(samples)]
        return cls(
            number=torch.tensor([sample.get('view', 0) for sample in samples], dtype=torch.long),
            labeled=torch.tensor([is_labeled(sample) for sample in samples], dtype=torch.bool),
            image=torch.tensor(images, dtype=torch.long),
        )

    @classmethod
    def of_collated(cls, samples: Sequence[DataSample]) -> 'Views':
        """Those of a batch before it is preprocessed, which has a sample for each image."""
        numbers = [number_of_views(sample) for sample in samples]
        repeats = torch.tensor(numbers, dtype=torch.long)
        labeled = torch.tensor([is_labeled(sample) for sample in samples], dtype=torch.bool)
        places = [place for number in numbers for place in range(number)]

        return cls(
            number=torch.tensor(places, dtype=torch.long),
            labeled=labeled.repeat_interleave(repeats),
            image=torch.arange(len(samples)).repeat_interleave(repeats),
        )

    def __len__(self) -> int:
        return len(self.number)

    def __getitem__(self, places: Tensor) -> 'Views':
        """The views at some places."""
        return Views(self.number[places], self.labeled[places], self.image[places])

    def choose(self, selection: Selection) -> Tensor:
        """Places of the views that a term reads, in order."""
        chosen = torch.ones_like(self.labeled)
        if selection.views == 'weak':
            chosen = self.number == 0
        elif selection.views == 'strong':
            chosen = self.number > 0
        return (chosen & ~self.labeled if selection.unlabeled else chosen).nonzero().flatten()

    def taught(self) -> Tensor:
        """Places of the views that a teacher predicts.

        They are the weak views of images that are unlabelled or have several views: strong views
        are drawn to weak ones and not the other way round, and a labelled image in one view has its
        label.
        """
        several = torch.isin(self.image, self.image[self.number > 0])
        return ((self.number == 0) & (several | ~self.labeled)).nonzero().flatten()

    def pairs(self) -> tuple[Tensor, Tensor]:
        """Places (P,) of the strong views, and of the weak view of the image of each."""
        strong = (self.number > 0).nonzero().flatten()
        weak = (self.number == 0).nonzero().flatten()
        first = dict(zip(self.image[weak].tolist(), weak.tolist(), strict=True))
        partners = [first[image] for image in self.image[strong].tolist()]
        return strong, torch.tensor(partners, dtype=torch.long)

    def counts(self) -> Tensor:
        """How often each number occurs (2, 16), float64.

        Row 0 counts views of unlabelled images, row 1 those of labelled ones.

        Raises:
            ValueError: If an image has more than 16 views.
        """
        if len(self) and self.number.max() >= MAX_VIEWS:
            raise ValueError(
                f'an image may have up to {MAX_VIEWS} views, got {int(self.number.max()) + 1}'
            )
        places = MAX_VIEWS * self.labeled + self.number
        return torch.bincount(places, minlength=2 * MAX_VIEWS).double().view(2, MAX_VIEWS)


def number_of_views(sample: DataSample) -> int:
    """V of a collated image.

    Its first view is in ``inputs``, the others are ``sample.views`` (V - 1, C, H, W), if any.
    """
    return 1 + len(sample.get('views', ()))


def is_labeled(sample: DataSample) -> bool:
    """Whether an image has a label."""
    return 'gt_label' in sample or 'gt_score' in sample


def flatten_views(
    inputs: Tensor | Sequence[Tensor], samples: Sequence[DataSample]
) -> tuple[Tensor | Sequence[Tensor], Sequence[DataSample]]:
    """The flat batch of all N views: all first views in order, then all second ones, and so on.

    Args:
        inputs: First views, T images (C, H, W).
        samples: T data samples; those of images in several views have the others as ``views``
            (V - 1, C, H, W).

    Returns:
        N images (C, H, W), and a sample for each. Samples of images in several views tell the
        ``view`` (from 0) and the place of the ``image`` in the batch. A batch of single views is
        returned as it is.
    """
    numbers = [number_of_views(sample) for sample in samples]
    if max(numbers, default=1) == 1:
        return inputs, samples

    # (view, image) of all further views; the first ones are in `inputs` already.
    further = [
        (view, image)
        for view in range(1, max(numbers))
        for image, number in enumerate(numbers)
        if view < number
    ]
    others = [samples[image].views[view - 1] for view, image in further]
    if isinstance(inputs, Tensor):
        flat: Tensor | list[Tensor] = torch.cat([inputs, torch.stack(others)])
    else:
        flat = [*inputs, *others]

    order = [*((0, image) for image in range(len(samples))), *further]
    return flat, [view_sample(samples[image], view, image) for view, image in order]


def view_sample(sample: DataSample, view: int, image: int) -> DataSample:
    """A copy of an image's sample for one of its views; the sample itself if it has only one."""
    if 'views' not in sample:
        return sample
    marked = sample.new()
    del marked.views
    marked.set_metainfo(dict(view=view, image=image))
    return marked
