# Swin-T, pretrained on ImageNet. `pretrained`: the address of MMPretrain's weights, or a
# file.
# Images have at least 224 pixels: a window of 7 places has to fit into the last map.
pretrained = (
    'https://mmassets.onedl.ai/mmclassification/v0/'
    'swin-transformer/swin_tiny_224_b16x64_300e_imagenet_20210616_090925-66df6be6.pth'
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
        type='SwinTransformer',
        arch='tiny',
        img_size=224,
        drop_path_rate=0.2,
        init_cfg=dict(type='Pretrained', checkpoint=pretrained),
    ),
    head=dict(
        type='mmsemiloc.CAMClsHead', num_classes=num_classes, in_channels=768, predict_cam=True
    ),
)
