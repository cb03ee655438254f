# ResNet-50, pretrained on ImageNet. `pretrained`: the address of MMPretrain's weights, or a
# file.
pretrained = (
    'https://mmassets.onedl.ai/mmclassification/v0/resnet/resnet50_8xb32_in1k_20210831-ea4938fc.pth'
)
num_classes = 10
model = dict(
    type='mmsemiloc.SemiSupClassifier',
    data_preprocessor=dict(
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        to_rgb=True,
        num_classes=num_classes,
    ),
    backbone=dict(type='ResNet', depth=50, init_cfg=dict(type='Pretrained', checkpoint=pretrained)),
    head=dict(
        type='mmsemiloc.CAMClsHead', num_classes=num_classes, in_channels=2048, predict_cam=True
    ),
)
