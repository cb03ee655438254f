# ViT-S/16 (DeiT), pretrained on ImageNet. `pretrained`: the address of MMPretrain's weights, or a
# file.
# The map is that of the patch tokens behind the final norm; the classifier does not read the
# class token.
pretrained = (
    'https://mmassets.onedl.ai/mmclassification/v0/'
    'deit/deit-small_pt-4xb256_in1k_20220218-9425b9bb.pth'
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
        type='VisionTransformer',
        arch='deit-small',
        img_size=224,
        patch_size=16,
        out_type='featmap',
        init_cfg=dict(type='Pretrained', checkpoint=pretrained),
    ),
    head=dict(
        type='mmsemiloc.CAMClsHead', num_classes=num_classes, in_channels=384, predict_cam=True
    ),
)
