"""A small classifier of MMPretrain with weights, whose images have 32 pixels."""

import torch
from mmpretrain import get_model

CONFIG = """
model = dict(
    type='ImageClassifier',
    backbone=dict(type='ResNet', depth=18, base_channels=8, stem_channels=8),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=10, in_channels=64),
)
data_preprocessor = dict(mean=[120, 110, 100], std=[50, 51, 52], to_rgb=True, num_classes=10)
test_dataloader = dict(
    dataset=dict(
        type='ImageNet',
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='ResizeEdge', scale=40, edge='short'),
            dict(type='CenterCrop', crop_size=32),
            dict(type='PackInputs'),
        ],
    )
)
"""


def write_model(folder, text=CONFIG):
    """The config and the checkpoint of a classifier, and the classifier."""
    config, weights = folder / 'small.py', folder / 'small.pth'
    config.write_text(text)
    torch.manual_seed(0)
    model = get_model(str(config))
    torch.save(dict(state_dict=model.state_dict()), weights)
    return config, weights, model
