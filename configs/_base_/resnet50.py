# ResNet-50 for ImageNet, from scratch.
model = dict(
    type='mmsemiloc.SemiSupClassifier',
    backbone=dict(type='ResNet', depth=50),
    head=dict(type='mmsemiloc.CAMClsHead', num_classes=1000, in_channels=2048),
)
