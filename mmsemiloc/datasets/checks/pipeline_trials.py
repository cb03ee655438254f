"""Each transform of a pipeline tried on an image before training, however seldom it is drawn."""

import copy
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import torch
from mmcv.transforms import Compose, RandomApply, RandomChoice
from mmengine.dataset import BaseDataset
from mmpretrain.datasets.transforms import RandAugment

from mmsemiloc.datasets.contents import describe, leaves
from mmsemiloc.datasets.images.errors import (
    TransformError,
    UnreadableImageError,
    cannot_be_read,
    failing_transform,
    in_words,
    transform_name,
)
from mmsemiloc.datasets.random_state import RandomState

Transform = Callable[[dict], dict | None]
PROBABILITIES = ('prob', 'erase_prob', 'p')  # how transforms call the share of images they change
DRAWS = 2  # of each transform: some draw what they do beyond whether they do it
MAX_STATES = 16  # different kinds of results that are followed through a pipeline


def forced(transform: Transform) -> Transform:
    """The transform; if it changes a share of the images only, one that changes each."""
    always = copy.copy(transform)
    inner = getattr(transform, 't', None)
    if isinstance(inner, torch.nn.Module):  # one of torchvision's
        always.t = forced(inner)  # type: ignore[attr-defined]

    for name in PROBABILITIES:
        value = getattr(transform, name, None)
        if isinstance(value, float | int) and 0 < value < 1:
            setattr(always, name, 1.0)
        elif isinstance(value, list) and 0 < sum(value) < 1:  # a share for each direction of a flip
            setattr(always, name, [share / sum(value) for share in value])
    return always


def branches(transform: Transform) -> list[list[Transform]] | None:
    """Everything that a composed transform can do, as lists of transforms that follow each other.

    Returns:
        None for a transform that is not composed of others.
    """
    if isinstance(transform, Compose):
        return [list(transform.transforms)]
    if isinstance(transform, RandomChoice):  # AutoAugment is one
        return [list(part.transforms) for part in transform.transforms]
    if isinstance(transform, RandomApply):
        return [list(transform.transforms.transforms), []]
    if isinstance(transform, RandAugment):
        return [[part] for part in transform.transforms]

    return None


def kind_of(results: dict) -> tuple:
    """What of an image's results decides whether a transform can take them; its size does not."""
    image = results.get('img')
    if isinstance(image, np.ndarray):
        return image.dtype.str, image.shape[2:], *sorted(results)
    return type(image).__name__, *sorted(results)


def distinct(states: Iterable[dict]) -> list[dict]:
    """The first of each kind."""
    first: dict[tuple, dict] = {}
    for state in states:
        first.setdefault(kind_of(state), state)
    return list(first.values())[:MAX_STATES]


def call(transform: Transform, state: dict, description: str) -> list[dict]:
    """Results of a transform that is not composed of others; none where it gives an image up.

    Raises:
        UnreadableImageError: If it loads the image, which cannot be read.
        TransformError: If it fails.
    """
    try:
        results = transform(copy.deepcopy(state))
    except Exception as error:
        if cannot_be_read(error):
            raise UnreadableImageError(f'cannot read {description}: {in_words(error)}') from error
        name = transform_name(failing_transform(error) or transform)
        raise TransformError(
            f'transform {name} fails on {description}: {in_words(error)}'
        ) from error

    return [] if results is None else [results]


def try_transform(transform: Transform, states: Sequence[dict], description: str) -> list[dict]:
    """Results of everything that a transform can do, one of each kind."""
    parts, outcomes = branches(transform), []
    for state in states:
        for part in parts or ():
            outcomes += try_transforms(part, [state], description)

        # Views become a list of images, which only the transform itself makes.
        for pipeline in getattr(transform, 'pipelines', ()):
            try_transforms(pipeline.transforms, [state], description)

        if parts is None:
            for _ in range(DRAWS):
                outcomes += call(forced(transform), state, description)
            outcomes += call(transform, state, description)
    return distinct(outcomes)


def try_transforms(
    transforms: Iterable[Transform], states: Sequence[dict], description: str
) -> list[dict]:
    """Results of transforms that follow each other, one of each kind."""
    for transform in transforms:
        states = try_transform(transform, states, description)
    return list(states)


def try_pipeline(dataset: BaseDataset, place: int, kind: str) -> None:
    """Run all that the transforms of a dataset's pipeline can do on one of its images.

    The transforms run one by one: a random one changes the image for certain, of a choice every
    part is tried, and of several views each. Random numbers go on as if nothing had happened.

    Args:
        dataset: With a ``pipeline``.
        place: Number of the image.
        kind: What the images are called in messages.

    Raises:
        UnreadableImageError: If the image cannot be read.
        TransformError: If a transform fails, with its name, the image and the cause.
        ValueError: If the pipeline does not end with packed inputs.
    """
    # A trial must not change the random numbers of the run.
    random = RandomState(torch.device('cpu'))
    description = describe(dataset, place, kind)
    try:
        states = [dict(dataset.get_data_info(place))]
        ends = try_transforms(dataset.pipeline.transforms, states, description)
    finally:
        random.restore()

    if not ends:
        raise TransformError(f'the pipeline of {description} gives nothing (None)')
    missing = {'inputs', 'data_samples'} - set(ends[0])
    if missing:
        keys = ' and no '.join(sorted(missing))
        raise TransformError(
            f'the pipeline of {description} gives no {keys}: '
            "let it end with dict(type='PackInputs')"
        )


def with_pipelines(dataset: BaseDataset) -> list[BaseDataset]:
    """The datasets that a source is made of, of which each has a pipeline of its own."""
    return [leaf for leaf in leaves(dataset) if hasattr(leaf, 'pipeline') and len(leaf)]


def try_pipelines(dataset: BaseDataset, kind: str, skip_unreadable: bool = False) -> None:
    """:func:`try_pipeline` on the first image of each dataset that a source is made of.

    Args:
        dataset: The labelled images, say.
        kind: What they are called in messages.
        skip_unreadable: Whether to take the next image for one that cannot be read.

    Raises:
        ValueError: As :func:`try_pipeline`, which has subclasses of it only.
    """
    for leaf in with_pipelines(dataset):
        for place in range(len(leaf)):
            try:
                try_pipeline(leaf, place, kind)
                break
            except UnreadableImageError:
                if not skip_unreadable or place + 1 == len(leaf):
                    raise
