"""Images in several views: how many each has, and the flat batch of all views."""

from collections.abc import Sequence

import torch
from mmpretrain.structures import DataSample
from torch import Tensor

MAX_VIEWS = 16
VIEWS = {
    'all': slice(None),
    'weak': slice(0, 1),
    'strong': slice(1, None),
}  # the first view of an image is the weak one


def check_views(views: str) -> str:
    """``views`` itself.

    Raises:
        ValueError: If it is none of 'all', 'weak' and 'strong'.
    """
    if views not in VIEWS:
        raise ValueError(f'views must be one of {tuple(VIEWS)}, got {views!r}')
    return views


def number_of_views(sample: DataSample) -> int:
    """V of a collated image: its first view is in ``inputs``, the others are ``sample.views`` (V -
    1, C, H, W), if any.
    """
    return 1 + len(sample.get('views', ()))


def is_labeled(sample: DataSample) -> bool:
    """Whether an image has a label."""
    return 'gt_label' in sample or 'gt_score' in sample


def view_table(samples: Sequence[DataSample]) -> tuple[Tensor, Tensor, Tensor]:
    """Of N views, each with its sample: the number in its image, whether that has a label, and the
    image; each (N,).
    """
    return (
        torch.tensor([sample.get('view', 0) for sample in samples], dtype=torch.long),
        torch.tensor([is_labeled(sample) for sample in samples], dtype=torch.bool),
        torch.tensor(
            [sample.get('image', place) for place, sample in enumerate(samples)], dtype=torch.long
        ),
    )


def choose_views(
    view: Tensor, labeled: Tensor, views: str = 'all', unlabeled: bool = False
) -> Tensor:
    """Places of the 'all', 'weak' or 'strong' views among N, of all images or the unlabelled ones.

    Args:
        view: Number of each view in its image (N,).
        labeled: Whether its image has a label, bool (N,).
        views: Which views.
        unlabeled: Whether to leave out those of labelled images.

    Raises:
        ValueError: If there are none.
    """
    chosen = torch.ones_like(labeled) if views == 'all' else (view > 0) == (views == 'strong')
    places = (chosen & ~labeled if unlabeled else chosen).nonzero().flatten()
    if not len(places):
        raise ValueError(
            f'a term of the loss needs {views} views of {"unlabelled" if unlabeled else "any"} '
            f'images, but a (micro-)batch of {len(view)} has none: strong views are the second and '
            'further ones of MultiView in the pipeline, unlabelled images come with labeled_ratio '
            'below 1'
        )
    return places


def target_places(view: Tensor, labeled: Tensor, image: Tensor) -> Tensor:
    """Places among N of the views that a teacher predicts: first views of images that are
    unlabelled or have several views.

    Strong views are drawn to weak ones and not the other way round, and a labelled image in one
    view has its label.

    Args:
        view: Number of each view in its image (N,).
        labeled: Whether its image has a label, bool (N,).
        image: Number of its image (N,).
    """
    several = torch.isin(image, image[view > 0])
    return ((view == 0) & (several | ~labeled)).nonzero().flatten()


def view_counts(view: Tensor, labeled: Tensor) -> Tensor:
    """How often each view occurs (2, 16), float64: row 0 those of unlabelled images, row 1 those of
    labelled ones.

    Args:
        view: Number of each view in its image (N,).
        labeled: Whether its image has a label, bool (N,).

    Raises:
        ValueError: If an image has more than 16 views.
    """
    if len(view) and view.max() >= MAX_VIEWS:
        raise ValueError(f'an image may have up to {MAX_VIEWS} views, got {int(view.max()) + 1}')
    return (
        torch.bincount(MAX_VIEWS * labeled + view, minlength=2 * MAX_VIEWS)
        .double()
        .view(2, MAX_VIEWS)
    )


def count_views(samples: Sequence[DataSample]) -> Tensor:
    """:func:`view_counts` of a collated batch with these T samples, before it is preprocessed."""
    numbers = torch.tensor([number_of_views(sample) for sample in samples])
    labeled = torch.tensor([is_labeled(sample) for sample in samples])
    view = torch.cat([torch.arange(number) for number in numbers])
    return view_counts(view, labeled.repeat_interleave(numbers))


def flatten_views(
    inputs: Tensor | Sequence[Tensor], samples: Sequence[DataSample]
) -> tuple[Tensor | Sequence[Tensor], Sequence[DataSample]]:
    """The flat batch of N views: the first views of all T images in order, then the second ones of
    those that have any, ...

    Args:
        inputs: First views, T images (C, H, W).
        samples: T data samples; those of images in several views have the others as ``views`` (V -
            1, C, H, W).

    Returns:
        N images (C, H, W), and a sample for each. Samples of images in several views tell the
        ``view`` (from 0) and the place of the ``image`` in the batch. A batch of single views is
        returned as it is.
    """
    numbers = [number_of_views(sample) for sample in samples]
    if max(numbers, default=1) == 1:
        return inputs, samples
    order = [
        (view, image)
        for view in range(1, max(numbers))
        for image, number in enumerate(numbers)
        if view < number
    ]
    others = [samples[image].views[view - 1] for view, image in order]
    flat = (
        torch.cat([inputs, torch.stack(others)])
        if isinstance(inputs, Tensor)
        else [*inputs, *others]
    )
    return flat, [
        view_sample(samples[image], view, image)
        for view, image in [*((0, i) for i in range(len(samples))), *order]
    ]


def view_sample(sample: DataSample, view: int, image: int) -> DataSample:
    """A copy of an image's sample for one of its views; the sample itself if it has but one."""
    if 'views' not in sample:
        return sample
    marked = sample.new()
    del marked.views
    marked.set_metainfo(dict(view=view, image=image))
    return marked
