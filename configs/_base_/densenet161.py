# DenseNet-161 for ImageNet, from scratch.
model = dict(
    type='mmsemiloc.SemiSupClassifier',
    backbone=dict(type='DenseNet', arch='161'),
    head=dict(type='mmsemiloc.CAMClsHead', num_classes=1000, in_channels=2208),
)
