"""Types and configs that are looked up by our scope, and by the prefixes of other packages."""

import mmpretrain.registry
import pytest
from mmengine import registry as mmengine_registry
from mmengine.config import Config
from mmengine.registry import Registry

import mmsemiloc.registry as ours


@pytest.mark.parametrize(
    'kind, name',
    [
        ('MODELS', 'DenseNet'),
        ('DATASETS', 'CIFAR10'),
        ('TRANSFORMS', 'ResizeEdge'),
        ('METRICS', 'Accuracy'),
        ('OPTIM_WRAPPERS', 'OptimWrapper'),
        ('DATA_SAMPLERS', 'DefaultSampler'),
        ('HOOKS', 'CheckpointHook'),
    ],
)
def test_our_registries_know_what_mmpretrain_knows(kind, name):
    expected = getattr(mmpretrain.registry, kind).get(name)
    assert expected is not None and getattr(ours, kind).get(name) is expected


def test_our_own_types_come_first_and_unknown_ones_are_none():
    assert ours.MODELS.get('CAMClsHead') is ours.MODELS.get('mmsemiloc.CAMClsHead') is not None
    assert ours.MODELS.get('NoSuchModel') is None
    with pytest.raises(KeyError, match='NoSuchModel is not in the .* registry'):
        ours.MODELS.build(dict(type='NoSuchModel'))


@pytest.mark.parametrize('scope', ['mmsemiloc', 'mmpretrain'])
def test_a_config_in_our_scope_finds_mmpretrains_visualizer(scope):
    """As in a config that was inherited by ``mmsemiloc::``; MMEngine alone has no such type."""
    assert mmengine_registry.VISUALIZERS.get('UniversalVisualizer') is None
    cfg = dict(type='UniversalVisualizer', name=f'a visualizer of {scope}', _scope_=scope)
    visualizer = mmengine_registry.VISUALIZERS.build(cfg)
    assert type(visualizer).__name__ == 'UniversalVisualizer'


def test_there_is_a_child_of_every_registry_of_mmpretrain():
    kinds = {
        name
        for name, value in vars(mmpretrain.registry).items()
        if isinstance(value, Registry) and value.scope == 'mmpretrain' and value.parent is not None
    }
    for kind in kinds:
        root = getattr(mmpretrain.registry, kind).parent
        assert 'mmsemiloc' in root._children, kind


@pytest.mark.parametrize(
    'base, key',
    [
        ('mmsemiloc::digits/digits_ce.py', 'num_labeled'),
        ('mmseg::_base_/models/fcn_r50-d8.py', 'norm_cfg'),
        ('mmdet::_base_/models/retinanet_r50_fpn.py', 'model'),
    ],
)
def test_configs_are_inherited_by_prefix(base, key, tmp_path):
    (tmp_path / 'mine.py').write_text(f"_base_ = '{base}'\n")
    assert key in Config.fromfile(tmp_path / 'mine.py')
