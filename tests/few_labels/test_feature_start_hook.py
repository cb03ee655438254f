"""Projection and start of a classifier of frozen features."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from mmsemiloc.engine.build import build_runner
from mmsemiloc.few_labels.feature_start_hook import FeatureStartHook, find_projection
from tests.few_labels.frozen_runs import frozen_config, trained, weights

pytestmark = pytest.mark.usefixtures('tiny_frozen_runs')


def test_the_start_is_the_mean_of_each_class(tmp_path):
    """Of a learning rate of 0 the start is left, which has no part of chance."""
    cfg = frozen_config('mel_nbel', tmp_path, steps=1)
    cfg.optim_wrapper.optimizer.lr = 1e-12
    runner = trained(cfg)
    weight, bias = weights(runner)
    dataset = runner.train_loop.dataloader.dataset

    # By hand, from the rows of both sources: components of the covariance.
    rows = [dataset[place]['inputs'].flatten().double().numpy() for place in range(20)]
    centred = np.array(rows) - np.mean(rows, 0)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    known = torch.from_numpy(centred[:10] @ directions[:8].T)
    labels = dataset.labels()
    expected = torch.zeros(10, 8, dtype=torch.float64)
    for place, label in enumerate(labels):
        expected[label] += known[place]
    expected = 12 * F.normalize(expected, dim=1)

    # Components are known up to their sign; the angles between classes are not.
    torch.testing.assert_close(weight.double() @ weight.double().T, expected @ expected.T,
                               rtol=1e-3, atol=1e-2)  # fmt: skip
    assert not bias.abs().gt(1e-6).any()


def test_a_run_from_a_checkpoint_keeps_what_it_has(tmp_path):
    whole = weights(trained(frozen_config('mel_nbel', tmp_path, steps=4)))
    file = str(tmp_path / 'mel_nbel/iter_4.pth')
    cfg = frozen_config('mel_nbel', tmp_path, steps=4, load_from=file)
    cfg.optim_wrapper.optimizer.lr = 1e-12
    other = weights(trained(cfg))
    torch.testing.assert_close(other[0], whole[0])


def test_a_mean_teacher_starts_at_the_same_place(tmp_path):
    cfg = frozen_config('mel_nbel', tmp_path, steps=2)
    cfg.custom_hooks.append(dict(type='mmsemiloc.MeanTeacherHook', momentum=0.01))
    runner = trained(cfg)
    assert runner.model.backbone.basis.any()
    norms = runner.model.head.fc.weight.norm(dim=1)
    assert ((norms > 10) & (norms < 14)).all()


def test_too_few_directions_are_named():
    features = torch.randn(5, 9, generator=torch.Generator().manual_seed(0))
    with pytest.raises(ValueError, match='dims=6, but the features of 5 images have only 4 direc'):
        find_projection(features, 6)


def test_other_channels_are_named(tmp_path):
    cfg = frozen_config('ce', tmp_path, **{'model.backbone.channels': 32})
    with pytest.raises(ValueError, match='channels=32, but CachedFeatures has 64: set model.back'):
        build_runner(cfg).train()


def test_images_have_no_features(tmp_path):
    cfg = frozen_config('ce', tmp_path)
    part = cfg.train_dataloader.dataset.unlabeled
    cfg.train_dataloader.dataset.unlabeled = dict(part.images, pipeline=part.pipeline)
    with pytest.raises(ValueError, match='a SemiSupDataset of CachedFeatures, got .* FashionMNIST'):
        build_runner(cfg).train()


def test_another_backbone_is_named(tmp_path):
    cfg = frozen_config('ce', tmp_path)
    cfg.model.backbone = dict(type='ResNet', depth=18)
    with pytest.raises(ValueError, match='needs model.backbone of type CachedMaps, got ResNet'):
        build_runner(cfg).train()


def test_bad_scale():
    with pytest.raises(ValueError, match='FeatureStartHook: scale must be a finite number above 0'):
        FeatureStartHook(scale=0)
