"""Images in several views: how many each has, and the flat batch of all views."""
from collections.abc import Sequence

import torch
from mmpretrain.structures import DataSample
from torch import Tensor

MAX_VIEWS = 16
VIEWS = {'all': slice(None), 'weak': slice(0, 1), 'strong': slice(1, None)}  # the first view of an image is the weak one


def check_views(views: str) -> str:
    """``views`` itself.

    Raises:
        ValueError: If it is none of 'all', 'weak' and 'strong'.
    """
    if views not in VIEWS:
        raise ValueError(f'views must be one of {tuple(VIEWS)}, got {views!r}')
    return views


def numbers_of_views(inputs: Tensor | Sequence[Tensor]) -> list[int]:
    """How many views each of T collated images has: V if it is (V, C, H, W), one if it is (C, H, W)."""
    return [len(image) if image.dim() == 4 else 1 for image in inputs]


def is_labeled(sample: DataSample) -> bool:
    """Whether an image has a label."""
    return 'gt_label' in sample or 'gt_score' in sample


def view_table(samples: Sequence[DataSample]) -> tuple[Tensor, Tensor, Tensor]:
    """Of N views, each with its sample: the number in its image, whether that has a label, and the image; each (N,)."""
    return (torch.tensor([sample.get('view', 0) for sample in samples], dtype=torch.long),
            torch.tensor([is_labeled(sample) for sample in samples], dtype=torch.bool),
            torch.tensor([sample.get('image', place) for place, sample in enumerate(samples)], dtype=torch.long))


def choose_views(view: Tensor, labeled: Tensor, views: str = 'all', unlabeled: bool = False) -> Tensor:
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
        raise ValueError(f'a term of the loss needs {views} views of {"unlabelled" if unlabeled else "any"} images, but a '
                         f'(micro-)batch of {len(view)} has none: strong views are the second and further ones of MultiView '
                         'in the pipeline, unlabelled images come with labeled_ratio below 1')
    return places


def view_counts(view: Tensor, labeled: Tensor) -> Tensor:
    """How often each view occurs (2, 16), float64: row 0 those of unlabelled images, row 1 those of labelled ones.

    Args:
        view: Number of each view in its image (N,).
        labeled: Whether its image has a label, bool (N,).

    Raises:
        ValueError: If an image has more than 16 views.
    """
    if len(view) and view.max() >= MAX_VIEWS:
        raise ValueError(f'an image may have up to {MAX_VIEWS} views, got {int(view.max()) + 1}')
    return torch.bincount(MAX_VIEWS * labeled + view, minlength=2 * MAX_VIEWS).double().view(2, MAX_VIEWS)


def count_views(data: dict) -> Tensor:
    """:func:`view_counts` of a collated batch, before it is preprocessed."""
    numbers = torch.tensor(numbers_of_views(data['inputs']))
    labeled = torch.tensor([is_labeled(sample) for sample in data['data_samples']])
    view = torch.cat([torch.arange(number) for number in numbers])
    return view_counts(view, labeled.repeat_interleave(numbers))


def flatten_views(inputs: Tensor | Sequence[Tensor],
                  samples: list[DataSample] | None) -> tuple[Tensor | Sequence[Tensor], list[DataSample] | None]:
    """The flat batch of N views: the first views of all T images in order, then the second ones of those that have any, ...

    Args:
        inputs: Collated images, each (C, H, W), or (V, C, H, W) in V views.
        samples: T data samples, or None.

    Returns:
        N images (C, H, W), and a sample for each. Samples of images in several views tell the ``view`` (from 0) and the place
        of the ``image`` in the batch. A batch of single images is returned as it is.
    """
    if all(image.dim() == 3 for image in inputs):
        return inputs, samples
    stacks = [image if image.dim() == 4 else image[None] for image in inputs]
    order = sorted((view, image) for image, stack in enumerate(stacks) for view in range(len(stack)))
    flat = [stacks[image][view] for view, image in order]
    alike = all(image.shape == flat[0].shape for image in flat)
    marked = None if samples is None else [view_sample(samples[image], view, image) for view, image in order]
    return torch.stack(flat) if alike else flat, marked


def view_sample(sample: DataSample, view: int, image: int) -> DataSample:
    """A copy of an image's sample for one of its views."""
    marked = sample.new()
    marked.set_metainfo(dict(view=view, image=image))
    return marked
