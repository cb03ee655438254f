"""A backbone of another project in our classifier: its size, its images, its learning rates."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import Tensor, nn

from mmsemiloc.few_labels.backbones import Backbone
from mmsemiloc.few_labels.quiet import quiet
from mmsemiloc.registry import MODELS

BASE = '_base_/photos.py'
# Where a backbone does not tell the depth of its layers, all of it learns at a tenth of the
# classifier's rate.
ONE_RATE = dict(
    constructor='DefaultOptimWrapperConstructor',
    paramwise_cfg=dict(
        _delete_=True,
        norm_decay_mult=0.0,
        bias_decay_mult=0.0,
        flat_decay_mult=0.0,
        custom_keys=dict(backbone=dict(lr_mult=0.1)),
    ),
)


def image_size(pipeline: Sequence[Mapping]) -> tuple[int, int] | None:
    """Height and width of the images that a test pipeline gives; None if they differ in size."""
    for step in reversed(pipeline):
        size = step.get('crop_size', step.get('scale'))
        if step.get('type') == 'ResizeEdge' or size is None:
            continue
        return (size, size) if isinstance(size, int) else (int(size[1]), int(size[0]))
    return None


def with_size(transforms: Sequence[Mapping], size: tuple[int, int]) -> list[dict]:
    """Training transforms that crop images of another height and width."""
    changed = [dict(copy.deepcopy(step)) for step in transforms]
    for step in changed:
        if step['type'] == 'RandomResizedCrop':
            step['scale'] = size[0] if size[0] == size[1] else (size[1], size[0])
    return changed


def build_backbone(name: str, backbone: Mapping) -> nn.Module:
    """A backbone without its weights.

    Raises:
        ValueError: If its arguments are none of its type's.
    """
    init_default_scope('mmsemiloc')
    try:
        with quiet():
            built = MODELS.build(dict(backbone))
    except Exception as error:  # depends on the network
        said = str(error).strip().splitlines()
        raise ValueError(
            f'backbone {name}: cannot build a {backbone["type"]}: {said[0] if said else error!r}'
        ) from error
    built.eval()  # which may return nothing
    return built


def last_features(name: str, backbone: nn.Module, size: tuple[int, int]) -> Tensor:
    """What a backbone gives last, for an image: a map (1, D, H, W) or a vector (1, D).

    Raises:
        ValueError: If it gives something else, or not the same twice.
    """
    generator = torch.Generator().manual_seed(0)
    image, found = torch.randn(1, 3, *size, generator=generator), []
    try:
        with torch.inference_mode():
            for _ in range(2):
                output = backbone(image)
                found.append(output[-1] if isinstance(output, list | tuple) else output)
    except Exception as error:  # depends on the network
        said = str(error).strip().splitlines()
        raise ValueError(
            f'backbone {name}: it takes no images of {size[0]} x {size[1]} pixels: '
            f'{type(error).__name__}: {said[0] if said else ""}'
        ) from error

    # Masks, tokens and the like are no features; nor is what is drawn at random.
    first, second = found
    kind = type(backbone).__name__
    if not isinstance(first, Tensor) or not first.is_floating_point() or first.dim() not in (2, 4):
        what = f'{tuple(first.shape)}' if isinstance(first, Tensor) else type(first).__name__
        raise ValueError(
            f'backbone {name}: a {kind} gives {what} instead of a map (1, D, H, W) or a vector '
            '(1, D): take another model'
        )
    if not first.equal(second):
        raise ValueError(
            f'backbone {name}: a {kind} gives other features at each call: take another model'
        )
    return first


def tells_depths(backbone: nn.Module) -> bool:
    """Whether a backbone tells the layer of each parameter, for layer-wise learning rates."""
    model: Any = backbone
    try:
        for name, _ in backbone.named_parameters():
            model.get_layer_depth(f'backbone.{name}', 'backbone.')
    except Exception:  # there is no such method, or it does not know this network
        return False
    return True


def foreign(
    name: str,
    backbone: Mapping[str, Any],
    start: Mapping[str, object],
    normalisation: Mapping[str, Any],
    test_pipeline: Sequence[Mapping] | None,
) -> Backbone:
    """A backbone in our classifier.

    Args:
        name: What was asked for, for messages.
        backbone: Its config, without weights.
        start: See :class:`Backbone`.
        normalisation: ``mean``, ``std`` and ``to_rgb``.
        test_pipeline: Transforms of an image file for prediction; None for those of
            ``configs/_base_/photos.py``.

    Raises:
        ValueError: If it gives no features, or its images differ in size.
    """
    base = Backbone(name, BASE).config()
    pipeline = [dict(step) for step in test_pipeline or base.test_pipeline]
    size = image_size(pipeline)
    if size is None:
        raise ValueError(
            f'backbone {name}: its test images are not resized, so it is made for images of one '
            'data set: take one for photographs'
        )
    built = build_backbone(name, backbone)
    features = last_features(name, built, size)

    if features.shape == (1, backbone.get('num_classes')):
        raise ValueError(
            f'backbone {name}: a {backbone["type"]} gives class scores instead of features: take '
            'another model'
        )

    # Only maps have a locality penalty.
    head = dict(base.penalties)
    if features.dim() != 4:
        head['loss_locality'] = None
    model = dict(
        type='mmsemiloc.SemiSupClassifier',
        data_preprocessor=dict(normalisation),
        backbone=dict(backbone),
        head=dict(
            type='mmsemiloc.CAMClsHead',
            in_channels=features.size(1),
            predict_cam=features.dim() == 4,
            **head,
        ),
    )

    # Images of its size, in training too.
    weak, strong = (
        with_size(steps, size) for steps in (base.weak_transforms, base.strong_transforms)
    )
    load, pack = base.train_pipeline[0], base.train_pipeline[-1]
    multi = dict(type='MultiView', num_views=[1, 1], transforms=[weak, strong])
    train = dict(pipeline=[load, *weak, pack])
    own: dict[str, Any] = dict(
        model=model,
        weak_transforms=weak,
        strong_transforms=strong,
        view_pipeline=[load, multi, pack],
        test_pipeline=pipeline,
        train_dataloader=dict(dataset=dict(labeled=train, unlabeled=train)),
        test_dataloader=dict(dataset=dict(pipeline=pipeline)),
    )
    if not tells_depths(built):
        own['optim_wrapper'] = ONE_RATE
    return Backbone(name, BASE, plain(own), start)


def plain(values: Mapping) -> dict[str, Any]:
    """Values of configs as Python's own dicts and lists."""
    return Config(dict(values)).to_dict()
