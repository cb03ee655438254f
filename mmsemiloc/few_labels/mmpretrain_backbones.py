"""Backbones of MMPretrain's models and config files."""

import difflib
import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.hub import get_config
from mmengine.registry import init_default_scope
from mmpretrain import list_models
from mmpretrain.apis import ModelHub

from mmsemiloc.datasets.listing.class_names import listed
from mmsemiloc.few_labels.backbones import Backbone, backbone_names, pretrained
from mmsemiloc.few_labels.foreign_backbones import foreign, plain
from mmsemiloc.inference.photos import file_pipeline, pipeline_of
from mmsemiloc.models.checkpoints.backbone import is_pretrained
from mmsemiloc.registry import MODELS

NORMALISATION = ('mean', 'std', 'to_rgb')
# Necks that a linear layer behind them makes needless: the head pools, and a fixed normalisation of
# features is linear.
NEEDLESS = ('GlobalAveragePooling', 'ClsBatchNormNeck')
# What lets a network give maps, where its type has such an argument.
MAPS = {'out_type': 'featmap', 'gap_before_final_norm': False, 'gap_before_output': False}
SCORES = ('VGG', 'AlexNet', 'LeNet5')  # their backbone may have the layer of class scores


def read_model(name: str) -> tuple[Config, str | None]:
    """Config of a model, and the address of its weights if that is known.

    Args:
        name: A name of ``mmpretrain.list_models()``, a config file, or ``mmpretrain::FILE``.

    Raises:
        ValueError: If there is none, or it cannot be read.
    """
    if '::' not in name and not name.endswith('.py') and name.lower() not in list_models():
        inside = [known for known in list_models() if name.lower() in known]
        close = (inside or difflib.get_close_matches(name.lower(), list_models()))[:3]
        raise ValueError(
            f'no backbone {name!r}: there are {", ".join(backbone_names())}; timm:NAME; and models '
            f'of MMPretrain{f", such as {listed(close)}" if close else ""}'
        )
    if name.endswith('.py') and '::' not in name and not Path(name).is_file():
        raise ValueError(f'no such config file: {name}')

    try:
        if '::' in name:
            return from_package(name)
        if name.endswith('.py'):
            return Config.fromfile(name), None
        found = ModelHub.get(name)
        return found.config, found.weights
    except Exception as error:  # a config is Python code: anything can go wrong in it
        said = str(error).strip().splitlines()
        raise ValueError(
            f'cannot read the config of backbone {name}: {type(error).__name__}: '
            f'{said[0] if said else ""}'
        ) from error


def from_package(name: str) -> tuple[Config, str | None]:
    """A config ``package::FILE``, and the weights that the package names for it."""
    try:
        cfg = get_config(name, pretrained=True)
    except AssertionError:  # it names none
        return get_config(name), None
    return cfg, cfg.get('model_path')


def weights_of(cfg: Config, backbone: Mapping) -> str | None:
    """The checkpoint that a config starts from, if it says so."""
    for given in (backbone.get('init_cfg'), cfg.model.get('init_cfg')):
        for init in [given] if isinstance(given, Mapping) else given or ():
            if is_pretrained(dict(init)):
                return init['checkpoint']
    return cfg.get('load_from')


def with_maps(backbone: Mapping[str, Any]) -> dict[str, Any]:
    """The config of a backbone without weights, which gives maps if it can."""
    changed = {key: value for key, value in backbone.items() if key != 'init_cfg'}
    init_default_scope('mmsemiloc')
    kind = MODELS.get(changed['type'])
    if kind is None:
        return changed
    if kind.__name__ == 'DenseNet':  # the same network, whose layers can learn at different rates
        return {**changed, 'type': 'mmsemiloc.DilatedDenseNet', 'output_stride': 32}
    if kind.__name__ in SCORES:
        changed['num_classes'] = -1

    known = {key for part in kind.__mro__[:-1] for key in inspect.signature(part).parameters}
    return changed | {key: value for key, value in MAPS.items() if key in known}


def check_neck(name: str, model: Mapping) -> None:
    """Refuse a neck that makes other features of the backbone's.

    That of a pretraining task is none of these.
    """
    necks = model.get('neck') or []
    kinds = [neck['type'] for neck in ([necks] if isinstance(necks, Mapping) else necks)]
    needed = [kind for kind in kinds if str(kind).rpartition('.')[2] not in NEEDLESS]
    if model['type'] == 'ImageClassifier' and needed:
        raise ValueError(
            f'backbone {name}: its features come from its neck, a {needed[0]}, which has no place '
            'in our classifier: take another model'
        )


def mmpretrain_backbone(name: str, weights: str | None = None) -> Backbone:
    """The backbone of a model of MMPretrain.

    Its size of images and their normalisation are those of the model's config.

    Args:
        name: See :func:`read_model`.
        weights: File or address of its weights; by default those that MMPretrain has.

    Raises:
        ValueError: If there is no such model, it gives no features, or there are no weights.
    """
    cfg, address = read_model(name)
    model = cfg.get('model') or {}
    if 'backbone' not in model:
        raise ValueError(f'{name} has no model.backbone: it is not an image classifier')
    check_neck(name, model)

    # Features of random weights would say nothing.
    found = weights or weights_of(cfg, model['backbone']) or address
    if not found:
        raise ValueError(f'no weights of backbone {name} are known: give them by --weights FILE')

    preprocessor: dict[str, Any] = {}
    for part in (cfg, model):
        preprocessor |= part.get('data_preprocessor') or {}
    tested = pipeline_of((cfg.get('test_dataloader') or {}).get('dataset') or {})
    return foreign(
        name,
        plain(with_maps(plain(model['backbone']))),
        pretrained(found),
        {key: preprocessor[key] for key in NORMALISATION if key in preprocessor},
        file_pipeline(plain(dict(steps=tested))['steps']) if tested else None,
    )
