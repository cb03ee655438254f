"""FCN on dense DigitScenes (96x96 images, 10 digits), one map of stride 4, from random weights or a
checkpoint.

    python tools/transfer.py digits configs/transfer/digits/digits_fcn.py --checkpoints ce=FILE

tools/transfer.py writes the images. Hardware: a CPU. Expected: docs/transfer.md.
"""

_base_ = 'mmseg::_base_/models/fcn_r50-d8.py'
steps = 300
classes = ('background', *'0123456789')
palette = [[25 * i, 255 - 20 * i, 60] for i in range(11)]
data_root = 'data/dense_digits'
norm_cfg = dict(type='BN', requires_grad=True)
model = dict(
    data_preprocessor=dict(mean=[128, 128, 128], std=[64, 64, 64], bgr_to_rgb=False, size=(96, 96)),
    pretrained=None,
    backbone=dict(
        _delete_=True,
        type='mmsemiloc.DenseNetPyramid',
        arch=dict(growth_rate=16, depths=[8], init_channels=32),
        bn_size=2,
        out_indices=(0,),
        norm_eval=False,
    ),
    decode_head=dict(
        in_channels=160,
        in_index=0,
        channels=64,
        num_convs=1,
        concat_input=False,
        num_classes=11,
        norm_cfg=norm_cfg,
        loss_decode=dict(class_weight=[0.05, *[1.0] * 10]),
    ),  # 94 % of the pixels are background
    auxiliary_head=None,
)
train_dataloader = dict(
    batch_size=8,
    num_workers=0,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type='BaseSegDataset',
        data_root=data_root,
        img_suffix='.png',
        data_prefix=dict(img_path='images/train', seg_map_path='masks/train'),
        metainfo=dict(classes=classes, palette=palette),
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations'),
            dict(type='PhotoMetricDistortion'),
            dict(type='PackSegInputs'),
        ],
    ),
)
test_dataloader = dict(
    batch_size=16,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='BaseSegDataset',
        data_root=data_root,
        img_suffix='.png',
        data_prefix=dict(img_path='images/test', seg_map_path='masks/test'),
        metainfo=dict(classes=classes, palette=palette),
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations'),
            dict(type='PackSegInputs'),
        ],
    ),
)
test_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'])
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
default_scope = 'mmseg'
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
