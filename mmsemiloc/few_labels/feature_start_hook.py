"""Hook that lets a classifier of frozen features start at the means of its classes."""

from typing import Any, ClassVar

import torch
from mmengine.dataset import BaseDataset
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor

from mmsemiloc.datasets import SemiSupDataset
from mmsemiloc.datasets.contents import leaves
from mmsemiloc.engine.hooks.step_arguments import StepArguments
from mmsemiloc.few_labels.cached_features import CachedFeatures
from mmsemiloc.few_labels.projection import Projection
from mmsemiloc.few_labels.solver import class_means
from mmsemiloc.models import CachedMaps, inner_model
from mmsemiloc.models.numerics import check_number
from mmsemiloc.registry import HOOKS


def training_features(dataset: BaseDataset) -> Tensor:
    """Features (N, D) of the weak views of all training images, the labelled ones first.

    Raises:
        ValueError: If it is not a ``SemiSupDataset`` of ``CachedFeatures``.
    """
    parts = leaves(dataset)
    others = [type(part).__name__ for part in parts if not isinstance(part, CachedFeatures)]
    if others or not isinstance(dataset, SemiSupDataset):
        raise ValueError(
            'FeatureStartHook needs train_dataloader.dataset to be a SemiSupDataset of '
            f'CachedFeatures, got {type(dataset).__name__} of {", ".join(others) or "them"}'
        )
    return torch.cat([part.weak_features() for part in parts])


def find_projection(features: Tensor, dims: int) -> Projection:
    """The projection of features (N, D) onto ``dims`` components.

    Raises:
        ValueError: If the features have fewer directions.
    """
    projection = Projection.of(features, dims)
    found = projection.basis.size(1)
    if found < dims:
        raise ValueError(
            f'model.backbone.dims={dims}, but the features of {len(features)} images have only '
            f'{found} directions: set model.backbone.dims={found} and '
            f'model.head.in_channels={found}'
        )
    return projection


@HOOKS.register_module()
class FeatureStartHook(Hook):
    """Finds the projection of ``CachedMaps``, and lets the classifier start at its classes' means.

    The projection is that of all training images; no label is needed. The weight of each class is
    the mean labelled feature, of norm ``scale``, and biases are 0: the start of
    ``few_labels.train_heads``. A run that is resumed, or starts from a checkpoint, has both from
    there. Without labelled images the classifier stays as it is.

    Args:
        scale: Norm of the weight of each class, above 0.

    Raises:
        ValueError: If ``scale`` is out of range; before training, if the data or the backbone are
            others, or the images have too few directions.
    """

    step_arguments: ClassVar[StepArguments] = {}
    priority = 'HIGHEST'  # before the checks, which try the loss
    loaded = False  # whether the model has the weights of a checkpoint

    def __init__(self, scale: float = 12.0) -> None:
        check_number('FeatureStartHook: scale', scale, above=0)
        self.scale = scale

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Keep what is loaded."""
        self.loaded = True

    @torch.no_grad()
    def before_train(self, runner: Runner) -> None:
        """Set projection, weight and bias."""
        if self.loaded:
            return
        model: Any = inner_model(runner.model)
        dataset = runner.train_loop.dataloader.dataset
        if not isinstance(model.backbone, CachedMaps):
            raise ValueError(
                'FeatureStartHook needs model.backbone of type CachedMaps, got '
                f'{type(model.backbone).__name__}'
            )
        features = training_features(dataset)
        if features.size(1) != model.backbone.channels:
            raise ValueError(
                f'model.backbone.channels={model.backbone.channels}, but CachedFeatures has '
                f'{features.size(1)}: set model.backbone.channels={features.size(1)}'
            )

        # All images give the directions.
        if model.backbone.dims is not None:
            projection = find_projection(features, model.backbone.dims)
            model.backbone.set_projection(projection.mean, projection.basis, projection.scale)
            features = projection(features)

        # The labelled ones give the classes.
        if dataset.num_labeled:
            labels = torch.from_numpy(dataset.labels())
            known, classes = features[: dataset.num_labeled], model.head.num_classes
            weight = class_means(known[None], labels[None], classes, self.scale)[0]
            model.head.fc.weight.copy_(weight)
            model.head.fc.bias.zero_()
