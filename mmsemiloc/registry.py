"""Registries of mmsemiloc: children of MMEngine's, with scope ``mmsemiloc``.

``locations`` name the modules that are imported when a type such as ``mmsemiloc.CAMClsHead`` is
looked up, so a config needs no ``custom_imports``.

A config that is inherited by ``mmsemiloc::`` has all its types looked up in this scope, those of
MMPretrain as well. So there is a child of every kind of registry that MMPretrain has, and what it
does not know is looked up in MMPretrain's.
"""

from mmengine.registry import Registry
from mmpretrain import registry as mmpretrain_registry


class PretrainRegistry(Registry):
    """Registry that looks in MMPretrain's, and so in MMEngine's, for what is not its own.

    Args:
        kind: Name of the registry in ``mmpretrain.registry``.
        *locations: Modules of mmsemiloc to import before a type is looked up.
    """

    def __init__(self, kind: str, *locations: str) -> None:
        self.pretrain: Registry = getattr(mmpretrain_registry, kind)
        # MMPretrain's cannot be the parent: MMEngine finds a scope only in the children of the
        # root.
        super().__init__(
            self.pretrain.name,
            parent=self.pretrain.parent,
            scope='mmsemiloc',
            locations=[*locations],
        )

    def get(self, key: str) -> type | None:
        """The class of a type, with or without a scope; None if there is none."""
        self.import_from_location()  # so that our types are in module_dict

        if '.' in key or key in self.module_dict:
            return super().get(key)
        return self.pretrain.get(key)


MODELS = PretrainRegistry('MODELS', 'mmsemiloc.models')
# Types of the room few_labels, which knows all the others.
FEATURES = 'mmsemiloc.few_labels.cached_features'
START = 'mmsemiloc.few_labels.feature_start_hook'

DATASETS = PretrainRegistry('DATASETS', 'mmsemiloc.datasets', FEATURES)
TRANSFORMS = PretrainRegistry('TRANSFORMS', 'mmsemiloc.datasets')
DATA_SAMPLERS = PretrainRegistry('DATA_SAMPLERS', 'mmsemiloc.datasets')
HOOKS = PretrainRegistry('HOOKS', 'mmsemiloc.engine', START)
LOOPS = PretrainRegistry('LOOPS', 'mmsemiloc.engine')
OPTIM_WRAPPERS = PretrainRegistry('OPTIM_WRAPPERS', 'mmsemiloc.engine')
MODEL_WRAPPERS = PretrainRegistry('MODEL_WRAPPERS', 'mmsemiloc.engine')
RUNNERS = PretrainRegistry('RUNNERS', 'mmsemiloc.engine')
METRICS = PretrainRegistry('METRICS', 'mmsemiloc.evaluation')
OTHERS = [
    PretrainRegistry(kind, 'mmsemiloc')
    for kind in (
        'RUNNER_CONSTRUCTORS',
        'LOG_PROCESSORS',
        'OPTIMIZERS',
        'OPTIM_WRAPPER_CONSTRUCTORS',
        'PARAM_SCHEDULERS',
        'WEIGHT_INITIALIZERS',
        'TASK_UTILS',
        'EVALUATORS',
        'VISUALIZERS',
        'VISBACKENDS',
    )
]
