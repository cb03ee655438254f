"""The backbone of features that were computed before."""

import pytest
import torch

from mmsemiloc.few_labels.projection import Projection
from mmsemiloc.models import CachedMaps


def test_maps_are_handed_on_as_they_are():
    maps = torch.randn(2, 5, 3, 4)
    assert CachedMaps(5)(maps)[-1] is maps
    assert torch.equal(CachedMaps(5)(maps[:, :, :1, :1])[-1], maps[:, :, 0, 0])
    assert not list(CachedMaps(5, 3).parameters())  # nothing is trained


def test_the_projection_is_that_of_the_features():
    """Pooled before or behind it, in a network that was loaded."""
    generator = torch.Generator().manual_seed(0)
    maps = torch.randn(20, 5, 2, 3, generator=generator)
    projection = Projection.of(maps.mean((2, 3)), dims=3)
    made = CachedMaps(5, 3)
    made.set_projection(projection.mean, projection.basis, projection.scale)
    loaded = CachedMaps(5, 3)
    loaded.load_state_dict(made.state_dict())

    found = loaded(maps)[-1]
    assert found.shape == (20, 3, 2, 3)
    torch.testing.assert_close(found.mean((2, 3)), projection(maps.mean((2, 3))))
    torch.testing.assert_close(found[..., 1, 2], projection(maps[..., 1, 2]))
    torch.testing.assert_close(loaded(maps[..., :1, :1])[-1], projection(maps[..., 0, 0]))


def test_a_projection_that_is_not_known_is_no_projection():
    with pytest.raises(ValueError, match='dims=3, but the projection is not known: add '):
        CachedMaps(5, 3)(torch.randn(2, 5, 1, 1))


@pytest.mark.parametrize('shape', [(2, 3, 32, 32), (2, 5)])
def test_images_are_no_features(shape):
    with pytest.raises(ValueError, match=r'channels=5 channels, got shape \(2, .*CachedFeatures'):
        CachedMaps(5)(torch.zeros(shape))


@pytest.mark.parametrize(
    'arguments, match',
    [
        ((0,), 'model.backbone.channels must be a whole number of at least 1, got 0'),
        ((5, 0), 'model.backbone.dims must be a whole number of at least 1, got 0'),
        ((5, 6), 'model.backbone.dims=6 must be at most channels=5'),
    ],
)
def test_bad_arguments(arguments, match):
    with pytest.raises(ValueError, match=match):
        CachedMaps(*arguments)
