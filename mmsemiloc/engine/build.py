"""Build the runner of a config, with the checks that every run needs."""

import copy
from contextlib import ExitStack
from unittest import mock

from mmengine.config import Config
from mmengine.device import get_device
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

from mmsemiloc.engine.hooks.setup_hook import SemiSupSetupHook

KINDS = {'val_dataloader': 'validation', 'test_dataloader': 'test'}


def with_one_policy(cfg: Config) -> Config:
    """A config in which unreadable images are treated alike in training, validation and test.

    The data sets beside a :class:`SemiSupDataset` go into a :class:`TolerantDataset` with its
    ``faults``.
    """
    training = (cfg.get('train_dataloader') or {}).get('dataset') or {}
    if 'SemiSupDataset' not in str(training.get('type')):
        return cfg

    for loader, kind in KINDS.items():
        dataset = (cfg.get(loader) or {}).get('dataset')
        if isinstance(dataset, dict) and 'TolerantDataset' not in str(dataset.get('type')):
            faults = training.get('faults')
            cfg[loader].dataset = dict(
                type='mmsemiloc.TolerantDataset', dataset=dataset, faults=faults, kind=kind
            )
    return cfg


def without_policy(cfg: Config) -> Config:
    """A config as it was before :func:`with_one_policy`, as the work dir of a run has it."""
    for loader in KINDS:
        dataset = (cfg.get(loader) or {}).get('dataset')
        if (
            isinstance(dataset, dict)
            and 'TolerantDataset' in str(dataset.get('type'))
            and 'kind' in dataset
        ):
            cfg[loader].dataset = dataset['dataset']

    return cfg


def without_pauses(cfg: Config) -> Config:
    """A config whose iteration-based loop passes through one long epoch of ``SemiSupSampler``.

    The order of images does not depend on the length of an epoch, but MMEngine waits 2 seconds at
    the end of each.
    """
    sampler = (cfg.get('train_dataloader') or {}).get('sampler') or {}
    steps = (cfg.get('train_cfg') or {}).get('max_iters')
    if steps and 'SemiSupSampler' in str(sampler.get('type')):
        sampler.epoch_length = steps
    return cfg


def build_runner(cfg: Config) -> Runner:
    """Build the runner of a config, with the setup hook even if the config does not list it."""
    cfg = without_pauses(with_one_policy(copy.deepcopy(cfg)))
    cfg.setdefault('runner_type', 'mmsemiloc.SemiSupRunner')

    with ExitStack() as stack:
        if cfg.get('launcher', 'none') != 'none' and get_device() == 'cpu':
            # MMEngine selects a CUDA device for every backend, which fails without a GPU.
            stack.enter_context(mock.patch('torch.cuda.set_device'))
        runner = RUNNERS.build(cfg)

    # It brings the other hooks along that every run needs.
    if not any(isinstance(hook, SemiSupSetupHook) for hook in runner.hooks):
        runner.register_hook(SemiSupSetupHook())
    return runner
