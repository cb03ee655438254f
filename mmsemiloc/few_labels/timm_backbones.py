"""Backbones of timm (PyTorch Image Models)."""

import difflib
import math
from typing import Any

from mmsemiloc.few_labels.backbones import TIMM, Backbone, pretrained
from mmsemiloc.few_labels.foreign_backbones import foreign


def prediction_transforms(size: tuple[int, int], crop: float, mode: str, method: str) -> list[dict]:
    """Transforms of an image file as timm makes them for prediction.

    Args:
        size: Height and width that the network takes.
        crop: Share of the shorter side that is kept, above 0 and at most 1.
        mode: timm's ``crop_mode``; 'squash' changes the aspect ratio.
        method: Interpolation.
    """
    height, width = size
    both: dict[str, Any] = dict(backend='pillow', interpolation=method)
    if mode == 'squash':
        scale = (math.floor(width / crop), math.floor(height / crop))
        first = dict(type='Resize', scale=scale, **both)
    else:
        scale_edge = math.floor(max(size) / crop)
        first = dict(type='ResizeEdge', scale=scale_edge, edge='short', **both)
    return [
        dict(type='LoadImageFromFile'),
        first,
        dict(type='CenterCrop', crop_size=height if height == width else (width, height)),
        dict(type='PackInputs'),
    ]


def timm_backbone(name: str, weights: str | None = None) -> Backbone:
    """A network of timm.

    Args:
        name: Its name, such as ``resnet18`` or ``vit_small_patch16_224.dino``.
        weights: A file of its weights; by default those that timm has, or finds.

    Raises:
        ValueError: If timm is not installed, has no such network, or no weights of it.
    """
    try:
        from timm import get_pretrained_cfg, is_model, list_models
    except ImportError as error:
        raise ValueError(f'backbone {TIMM}{name} needs timm: pip install timm') from error

    if not is_model(name.split('.')[0]):
        close = ', '.join(difflib.get_close_matches(name, list_models(), n=3))
        raise ValueError(f'timm has no network {name!r}{f": is it {close}?" if close else ""}')
    try:
        known: Any = get_pretrained_cfg(name, allow_unregistered=False)
    except RuntimeError as error:
        raise ValueError(f'timm has no network {name!r}: {error}') from error
    if not weights and not (known and known.has_weights):
        raise ValueError(f'timm has no weights of {name}: give them by --weights FILE')

    # timm counts colours from 0 to 1.
    height, width = known.input_size[1:]
    return foreign(
        f'{TIMM}{name}',
        dict(type='mmsemiloc.TIMMMaps', model_name=name),
        pretrained(weights) if weights else dict(pretrained=True),
        dict(
            mean=[round(255 * value, 3) for value in known.mean],
            std=[round(255 * value, 3) for value in known.std],
            to_rgb=True,
        ),
        prediction_transforms(
            (height, width), known.crop_pct, known.crop_mode or 'center', known.interpolation
        ),
    )
