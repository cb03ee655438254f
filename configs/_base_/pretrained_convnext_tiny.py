# ConvNeXt-T, pretrained on ImageNet. `pretrained`: the address of MMPretrain's weights, or a
# file.
# The final norm is that of each place instead of the mean of all: so there are maps.
pretrained = (
    'https://mmassets.onedl.ai/mmclassification/v0/'
    'convnext/convnext-tiny_32xb128_in1k_20221207-998cf3e9.pth'
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
        type='ConvNeXt',
        arch='tiny',
        drop_path_rate=0.1,
        gap_before_final_norm=False,
        init_cfg=dict(type='Pretrained', checkpoint=pretrained),
    ),
    head=dict(
        type='mmsemiloc.CAMClsHead', num_classes=num_classes, in_channels=768, predict_cam=True
    ),
)
