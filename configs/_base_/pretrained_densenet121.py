# DenseNet-121, pretrained on ImageNet. `pretrained`: the address of MMPretrain's weights, or a
# file.
# output_stride=16 gives 14x14 maps with the same weights.
pretrained = (
    'https://mmassets.onedl.ai/mmclassification/v0/'
    'densenet/densenet121_4xb256_in1k_20220426-07450f99.pth'
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
    backbone=dict(
        type='mmsemiloc.DilatedDenseNet',
        arch='121',
        output_stride=32,
        init_cfg=dict(type='Pretrained', checkpoint=pretrained),
    ),
    head=dict(
        type='mmsemiloc.CAMClsHead', num_classes=num_classes, in_channels=1024, predict_cam=True
    ),
)
