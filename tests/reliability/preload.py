"""What the server of processes imports once, so that each run of a test starts at once."""

import importlib

import mmengine.registry
from yapf.yapflib import yapf_api

import tests.reliability.tiny_runs  # noqa: F401
from mmsemiloc.datasets.digit_scenes import digit_pools, photographs

mmengine.registry.init_default_scope('mmsemiloc')
for room in ('datasets', 'engine', 'evaluation', 'models'):
    importlib.import_module(f'mmsemiloc.{room}')
photographs()
for split in ('train', 'val'):
    digit_pools(split)

# It formats the text of a config at each start and checkpoint, for seconds.
yapf_api.FormatCode = lambda text, **kwargs: (text, False)
