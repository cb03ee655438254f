"""Registries of mmsemiloc: children of MMEngine's, with scope ``mmsemiloc``.

``locations`` name the modules that are imported when a type such as ``mmsemiloc.CAMClsHead`` is looked up, so a config
needs no ``custom_imports``.
"""
from mmengine import registry as mmengine_registry
from mmengine.registry import Registry


def _child(name: str, parent: Registry, location: str) -> Registry:
    return Registry(name, parent=parent, scope='mmsemiloc', locations=[f'mmsemiloc.{location}'])


MODELS = _child('model', mmengine_registry.MODELS, 'models')
DATASETS = _child('dataset', mmengine_registry.DATASETS, 'datasets')
TRANSFORMS = _child('transform', mmengine_registry.TRANSFORMS, 'datasets')
DATA_SAMPLERS = _child('data sampler', mmengine_registry.DATA_SAMPLERS, 'datasets')
HOOKS = _child('hook', mmengine_registry.HOOKS, 'engine')
OPTIM_WRAPPERS = _child('optimizer wrapper', mmengine_registry.OPTIM_WRAPPERS, 'engine')
MODEL_WRAPPERS = _child('model wrapper', mmengine_registry.MODEL_WRAPPERS, 'engine')
METRICS = _child('metric', mmengine_registry.METRICS, 'evaluation')
