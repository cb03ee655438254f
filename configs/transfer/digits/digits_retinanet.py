"""RetinaNet on dense DigitScenes (96x96 images, 1 to 5 digits), one map of stride 4, from random
weights or a checkpoint.

    python tools/transfer.py digits configs/transfer/digits/digits_retinanet.py --checkpoints \\
        ce=FILE

tools/transfer.py writes the images. Hardware: a CPU. Expected: docs/transfer.md.
"""

_base_ = 'mmdet::_base_/models/retinanet_r50_fpn.py'
steps = 300
classes = tuple('0123456789')
data_root = 'data/dense_digits'
model = dict(
    data_preprocessor=dict(mean=[128, 128, 128], std=[64, 64, 64], bgr_to_rgb=False),
    backbone=dict(
        _delete_=True,
        type='mmsemiloc.DenseNetPyramid',
        arch=dict(growth_rate=16, depths=[8], init_channels=32),
        bn_size=2,
        out_indices=(0,),
        norm_eval=False,
    ),
    neck=dict(in_channels=[160], out_channels=64, start_level=0, add_extra_convs=False, num_outs=1),
    bbox_head=dict(
        num_classes=10,
        in_channels=64,
        feat_channels=64,
        stacked_convs=2,
        anchor_generator=dict(octave_base_scale=3, scales_per_octave=3, ratios=[1.0], strides=[4]),
    ),
)
train_dataloader = dict(
    batch_size=8,
    num_workers=0,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type='CocoDataset',
        data_root=data_root,
        ann_file='annotations/train.json',
        data_prefix=dict(img='images/train/'),
        metainfo=dict(classes=classes),
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations', with_bbox=True),
            dict(type='PhotoMetricDistortion'),
            dict(type='PackDetInputs'),
        ],
    ),
)
test_dataloader = dict(
    batch_size=16,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='CocoDataset',
        data_root=data_root,
        ann_file='annotations/test.json',
        data_prefix=dict(img='images/test/'),
        metainfo=dict(classes=classes),
        test_mode=True,
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(
                type='Resize', scale=(96, 96), keep_ratio=True
            ),  # as it is, but boxes need the factor
            dict(type='LoadAnnotations', with_bbox=True),
            dict(
                type='PackDetInputs',
                meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'),
            ),
        ],
    ),
)
test_evaluator = dict(
    type='CocoMetric', ann_file=f'{data_root}/annotations/test.json', metric='bbox'
)
train_cfg = dict(type='IterBasedTrainLoop', max_iters=steps, val_interval=steps)
val_cfg = None
val_dataloader = None
val_evaluator = None
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=2e-3, weight_decay=0.05),
    clip_grad=dict(max_norm=10),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=steps // 10),
    dict(
        type='CosineAnnealingLR',
        by_epoch=False,
        begin=steps // 10,
        end=steps,
        T_max=steps - steps // 10,
    ),
]
default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=steps, max_keep_ckpts=1),
    sampler_seed=dict(type='DistSamplerSeedHook'),
)
default_scope = 'mmdet'
env_cfg = dict(
    cudnn_benchmark=False,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend='nccl'),
)
vis_backends = [dict(type='LocalVisBackend')]
visualizer = dict(type='Visualizer', vis_backends=vis_backends)
log_processor = dict(by_epoch=False)
log_level = 'INFO'
load_from = None
resume = False
randomness = dict(seed=0)
