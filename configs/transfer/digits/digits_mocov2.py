"""DigitScenes, MoCo v2 on the unlabelled images, as a peer in the transfer study.

    python tools/train.py configs/transfer/digits/digits_mocov2.py

As many steps and images as in configs/digits: 32 images a step in two views of the strong augmentation.
Hardware: a CPU. Expected: docs/transfer.md.
"""
_base_ = '../../_base_/digits.py'
model = dict(
    _delete_=True,
    type='MoCo',
    queue_len=1024,
    feat_dim=64,
    momentum=0.01,
    data_preprocessor=dict(type='SelfSupDataPreprocessor', mean=[128, 128, 128], std=[64, 64, 64]),
    backbone={{_base_.model.backbone}},
    neck=dict(type='MoCoV2Neck', in_channels=160, hid_channels=256, out_channels=64, with_avg_pool=True),
    head=dict(type='ContrastiveHead', loss=dict(type='CrossEntropyLoss'), temperature=0.2))
train_dataloader = dict(
    _delete_=True,
    batch_size=32,
    num_workers=0,
    dataset=dict(
        type='mmsemiloc.DigitScenes',
        first=150,
        num_images=3850,
        pipeline=[
            dict(type='MultiView', num_views=[2], transforms=[{{_base_.strong_transforms}}]),
            dict(type='PackInputs'),
        ]),
    sampler=dict(type='InfiniteSampler', shuffle=True))
optim_wrapper = dict(
    _delete_=True, type='OptimWrapper', optimizer=dict(type='SGD', lr=0.05, momentum=0.9, weight_decay=1e-4))
val_dataloader = val_evaluator = val_cfg = None
test_dataloader = test_evaluator = test_cfg = None
custom_hooks = []
model_wrapper_cfg = None
