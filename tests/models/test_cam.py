import pytest
import torch
from mmpretrain.registry import MODELS as MMPRETRAIN_MODELS

from mmsemiloc.models import class_maps
from tests.conftest import CLASSES, make_model

GAP = dict(type='GlobalAveragePooling')
RESNET = dict(type='ResNet', depth=18, stem_channels=8, base_channels=4)
CONVNEXT = dict(type='ConvNeXt', arch=dict(depths=[1, 1, 1, 1], channels=[4, 8, 16, 32]))
IMAGES = torch.randn(3, 3, 64, 96, generator=torch.Generator().manual_seed(0))


def classifier(backbone, neck=GAP, head='LinearClsHead', **kwargs):
    torch.manual_seed(0)
    head = dict(
        type=head,
        num_classes=CLASSES,
        in_channels=32,
        init_cfg=dict(type='Normal', layer='Linear', std=0.5),
        **kwargs,
    )
    model = MMPRETRAIN_MODELS.build(
        dict(type='ImageClassifier', backbone=backbone, neck=neck, head=head)
    )
    model.init_weights()
    return model.eval()


@pytest.mark.parametrize(
    'model',
    [
        lambda: make_model().eval(),
        lambda: classifier(RESNET),
        lambda: classifier(dict(CONVNEXT, gap_before_final_norm=False)),
    ],
    ids=['CAMClsHead', 'ResNet', 'ConvNeXt'],
)
def test_scores_are_the_model_s_and_maps_have_them_as_means(model):
    model = model()
    with torch.no_grad():
        logits, maps = class_maps(model, IMAGES)
        assert torch.equal(logits, model(IMAGES))
        features = model.backbone(IMAGES)[-1]
    assert maps.shape == (3, CLASSES, *features.shape[2:])
    for c in range(CLASSES):
        expected = (features * model.head.fc.weight[c][:, None, None]).sum(1)
        torch.testing.assert_close(maps[:, c], expected)
        torch.testing.assert_close(maps[:, c].mean((1, 2)) + model.head.fc.bias[c], logits[:, c])


@pytest.mark.parametrize(
    'model, names',
    [
        (
            lambda: classifier(CONVNEXT, neck=None),
            'LinearClsHead over ConvNeXt',
        ),  # normalises after pooling
        (
            lambda: classifier(RESNET, neck=dict(type='GeneralizedMeanPooling')),
            'LinearClsHead over ResNet',
        ),
        (
            lambda: classifier(RESNET, head='StackedLinearClsHead', mid_channels=[8]),
            'StackedLinearClsHead over ResNet',
        ),
    ],
    ids=['ConvNeXt', 'another pooling', 'another head'],
)
def test_other_models_are_refused_by_name(model, names):
    with (
        pytest.raises(
            ValueError, match=f'linear head over average-pooled maps, but {names} is not one'
        ),
        torch.no_grad(),
    ):
        class_maps(model(), IMAGES)


def test_scores_that_are_not_finite_are_named():
    model = classifier(RESNET)
    model.head.fc.bias.data[1] = torch.nan
    with (
        pytest.raises(ValueError, match=f'3 of {3 * CLASSES} class scores are not finite'),
        torch.no_grad(),
    ):
        class_maps(model, IMAGES)


@pytest.mark.parametrize('relative', [True, False])
def test_relative_maps_do_not_depend_on_what_all_classes_share(relative):
    model = make_model(head=dict(cam_relative=relative)).eval()
    with torch.no_grad():
        logits, maps = class_maps(model, IMAGES)
        model.head.fc.weight += torch.randn(16)  # the same for all classes: the probabilities stay
        shifted_logits, shifted = class_maps(model, IMAGES)
    torch.testing.assert_close(shifted_logits.softmax(1), logits.softmax(1))
    assert torch.allclose(shifted, maps, atol=1e-4) == relative
    assert torch.allclose(maps.sum(1), torch.zeros(()), atol=1e-4) == relative
