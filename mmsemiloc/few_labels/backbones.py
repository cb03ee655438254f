"""The pretrained backbones that ``fit`` takes, by name."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mmengine.config import Config

import mmsemiloc

CONFIGS = Path(mmsemiloc.__file__).parent / '.mim' / 'configs'
NONE = 'has no configs: install mmsemiloc with pip (in a clone: pip install -e .)'
TIMM = 'timm:'


@dataclass(frozen=True)
class Backbone:
    """A backbone, and how images come to it.

    Attributes:
        name: What a person calls it.
        base: The config of ours that a config with it inherits, below ``configs/``.
        own: What such a config sets over it, by section.
        start: What ``model.backbone`` has besides when its pretrained weights are loaded.
    """

    name: str
    base: str
    own: Mapping[str, dict] = field(default_factory=dict)
    start: Mapping[str, object] = field(default_factory=dict)

    def config(self) -> Config:
        """The whole config, whose model starts with pretrained weights.

        Raises:
            ValueError: If our configs are not installed.
        """
        file = CONFIGS / self.base
        if not file.is_file():
            raise ValueError(f'{CONFIGS} {NONE}')
        cfg = Config.fromfile(file)
        cfg.merge_from_dict(copy.deepcopy(dict(self.own)))
        cfg.merge_from_dict(dict(model=dict(backbone=copy.deepcopy(dict(self.start)))))
        return cfg


def backbone_names() -> list[str]:
    """Names of our pretrained backbones: ``configs/photos/photos_NAME.py``."""
    files = (CONFIGS / 'photos').glob('photos_*.py')
    names = [file.stem.removeprefix('photos_') for file in files]
    return sorted(name for name in names if name != 'fixmatch')


def pretrained(weights: str) -> dict[str, object]:
    """What loads a file or address of weights into a backbone.

    Raises:
        ValueError: If there is no such file.
    """
    if '://' not in weights and not Path(weights).is_file():
        raise ValueError(f'no such file of weights: {weights}')
    return dict(init_cfg=dict(type='Pretrained', checkpoint=weights))


def our_backbone(name: str, weights: str | None = None) -> Backbone:
    """A backbone of ``configs/photos/``.

    Args:
        name: See :func:`backbone_names`.
        weights: File or address of other weights than the config's.

    Raises:
        ValueError: If there is no such file.
    """
    start = pretrained(weights) if weights else {}
    return Backbone(name, f'photos/photos_{name}.py', start=start)


def find_backbone(name: str, weights: str | Path | None = None) -> Backbone:
    """The backbone that a person asks for.

    Args:
        name: One of ``configs/photos/photos_NAME.py``; a name of ``mmpretrain.list_models()``; a
            config file of MMPretrain (``FILE.py`` or ``mmpretrain::FILE.py``); or ``timm:NAME``.
        weights: File or address of its weights, if they are not those that come with it.

    Raises:
        ValueError: If there is none of that name, it gives no features, or there are no weights.
    """
    ours = backbone_names()
    if not ours:
        raise ValueError(f'{CONFIGS} {NONE}')
    given = None if weights is None else str(weights)
    if name in ours:
        return our_backbone(name, given)

    # Both bring much along.
    if name.startswith(TIMM):
        from mmsemiloc.few_labels.timm_backbones import timm_backbone

        return timm_backbone(name.removeprefix(TIMM), given)
    from mmsemiloc.few_labels.mmpretrain_backbones import mmpretrain_backbone

    return mmpretrain_backbone(name, given)
