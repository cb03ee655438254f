"""Linear probe on DigitScenes: a linear layer on the frozen features, trained with all labels.

    python tools/transfer.py digits configs/transfer/digits/digits_linear.py --checkpoints \\
        ce=FILE

What the features say about the digit, without fine-tuning. Hardware: a CPU. Expected:
docs/transfer.md.
"""

_base_ = '../../_base_/digits.py'
steps, batch_size = 200, 128
model = dict(
    _delete_=True,
    type='ImageClassifier',
    data_preprocessor=dict(mean=[128, 128, 128], std=[64, 64, 64], num_classes=10),
    backbone=dict(
        type='mmsemiloc.DenseNetPyramid',
        arch=dict(growth_rate=16, depths=[8], init_channels=32),
        bn_size=2,
        out_indices=(0,),
        frozen_stages=1,
    ),
    neck=[dict(type='GlobalAveragePooling'), dict(type='ClsBatchNormNeck', input_features=160)],
    head=dict(type='LinearClsHead', num_classes=10, in_channels=160),
)
train_dataloader = dict(
    _delete_=True,
    batch_size=batch_size,
    num_workers=0,
    dataset=dict(type='mmsemiloc.DigitScenes', num_images=4000, pipeline={{_base_.test_pipeline}}),
    sampler=dict(type='InfiniteSampler', shuffle=True),
)
val_dataloader = val_evaluator = val_cfg = None
test_evaluator = dict(_delete_=True, type='Accuracy', topk=(1,))
optim_wrapper = dict(
    _delete_=True, type='OptimWrapper', optimizer=dict(type='AdamW', lr=1e-2, weight_decay=0.0)
)
param_scheduler = dict(_delete_=True, type='CosineAnnealingLR', by_epoch=False, T_max=steps)
train_cfg = dict(max_iters=steps, val_interval=steps)
default_hooks = dict(checkpoint=dict(interval=steps // 5))
custom_hooks = []
model_wrapper_cfg = None
