import pytest
import torch
from mmengine.registry import init_default_scope
from mmpretrain.structures import DataSample

import mmsemiloc.datasets  # noqa: F401  registers the types
from mmsemiloc.engine import AccumOptimWrapper
from mmsemiloc.models import EffectiveBatch, Predictions, PredictionSum, Views
from mmsemiloc.registry import MODELS

CLASSES = 5


def pytest_collection_modifyitems(config, items):
    """Leave tests out that take half an hour, unless ``-m reliability`` asks for them."""
    if 'reliability' in config.option.markexpr or any('::' in argument for argument in config.args):
        return
    long = [item for item in items if item.get_closest_marker('reliability')]
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]


@pytest.fixture(scope='session', autouse=True)
def plain_config_texts():
    """MMEngine formats a config's text at each start and checkpoint, for seconds: here only
    processes of their own do.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr('yapf.yapflib.yapf_api.FormatCode', lambda text, **kwargs: (text, False))
        yield


@pytest.fixture(autouse=True)
def scope():
    init_default_scope('mmpretrain')


def make_samples(labels):
    """Data samples with a label each, or without one where it is None."""
    return [DataSample() if label is None else DataSample().set_gt_label(label) for label in labels]


def make_batch(labels, size=32, seed=0):
    """A collated batch of random images, one for each label (None: unlabelled)."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(
        0, 256, (len(labels), 3, size, size), generator=generator, dtype=torch.uint8
    )
    return dict(inputs=list(images), data_samples=make_samples(labels))


def with_views(batch, numbers, seed=7):
    """The collated batch with image i in ``numbers[i]`` views, random ones after the first."""
    generator = torch.Generator().manual_seed(seed)
    for image, sample, number in zip(batch['inputs'], batch['data_samples'], numbers, strict=True):
        if number > 1:
            others = torch.randint(
                0, 256, (number - 1, *image.shape), generator=generator, dtype=torch.uint8
            )
            sample.set_field(others, 'views')
    return batch


def make_predictions(logits, numbers, labeled=None, targets=None):
    """Predictions (N, C) of a batch whose image i has ``numbers[i]`` views.

    All first views come first, then all second ones, and so on.
    """
    table = [
        (view, image)
        for view in range(max(numbers))
        for image, number in enumerate(numbers)
        if view < number
    ]
    assert len(table) == len(logits)
    number, image = torch.tensor(table).T
    labeled = torch.tensor(labeled or [False] * len(numbers))[image]
    return Predictions(
        logits=logits,
        targets=logits.detach() if targets is None else targets,
        features=torch.arange(2.0 * len(logits)).view(-1, 2, 1, 1),
        fc_weight=torch.zeros(logits.size(1), 2),
        views=Views(number, labeled, image),
    )


def term_values(term, predictions, batch=None):
    """The values of a term for predictions that are the effective batch, or a part of ``batch``."""
    if batch is None:
        batch = EffectiveBatch.of(predictions.views, predictions.logits.device)
        selection = term.mean_selection()
        if selection is not None:
            chosen = predictions.views.choose(selection)
            batch = batch.with_means([{selection: PredictionSum.of(predictions.logits[chosen])}])
    return term.losses(predictions, batch)


def batch_with_pairs(*numbers):
    """An effective batch whose image i has ``numbers[i]`` views."""
    return EffectiveBatch.of(
        make_predictions(torch.zeros(sum(numbers), 1), numbers).views, torch.device('cpu')
    )


def make_model(
    mel=0.0,
    nbel=0.0,
    locality=0.0,
    norm_cfg=None,
    seed=0,
    drop_rate=0,
    head=None,
    backbone=None,
    **classifier,
):
    """A tiny SemiSupClassifier, of a DenseNet or another backbone with 16 channels.

    The weights of the penalties may be 0; further arguments are the classifier's.
    """
    torch.manual_seed(seed)
    model = MODELS.build(
        dict(
            type='mmsemiloc.SemiSupClassifier',
            data_preprocessor=dict(mean=[128] * 3, std=[64] * 3, num_classes=CLASSES),
            backbone=backbone
            or dict(
                type='DenseNet',
                arch=dict(growth_rate=4, depths=[2, 2], init_channels=8),
                drop_rate=drop_rate,
                norm_cfg=norm_cfg or dict(type='BN'),
            ),
            head={
                **dict(
                    type='mmsemiloc.CAMClsHead',
                    num_classes=CLASSES,
                    in_channels=16,
                    loss_mel=dict(type='mmsemiloc.MeanEntropyLoss', loss_weight=mel),
                    loss_nbel=dict(type='mmsemiloc.NegativeBatchEntropyLoss', loss_weight=nbel),
                    loss_locality=dict(type='mmsemiloc.LocalityLoss', loss_weight=locality),
                    init_cfg=dict(type='Normal', layer='Linear', std=0.5),
                ),
                **(head or {}),
            },
            **classifier,
        )
    )
    model.init_weights()
    return model


def in_double(model):
    """The model in float64, its images too, and with BatchNorm at rest (it would tell parts of a
    batch apart).
    """
    model.data_preprocessor.register_forward_hook(
        lambda module, args, out: {**out, 'inputs': out['inputs'].double()}
    )
    model.backbone.eval()
    return model.double()


class KeepGradients(AccumOptimWrapper):
    """Does not step, so that the gradients can be looked at."""

    def step(self, **kwargs):
        pass

    def zero_grad(self, **kwargs):
        pass


def gradients(model):
    """Copies of all gradients, by parameter name."""
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


class Alone:
    """Stands for mmengine.dist in a rank that does not know of the others."""

    @staticmethod
    def get_world_size():
        return 1

    @staticmethod
    def all_reduce(data, op):
        pass


@pytest.fixture
def tiny_frozen_runs(monkeypatch):
    """2 validation images of each class of Fashion-MNIST, of which generated files have few."""
    monkeypatch.setattr('mmsemiloc.datasets.fashion_mnist.VAL_PER_CLASS', 2)
