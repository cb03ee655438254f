# Photographs of one's own, few of them with labels: three lists below data/photos, and the run.
#   labeled.txt    lines 'cat/1.jpg 0'
#   unlabeled.txt  lines 'web/2.jpg', without labels
#   val.txt        lines 'cat/3.jpg 0'
# Paths are relative to data/photos. A config of configs/photos adds a pretrained backbone.

_base_ = 'runtime.py'

data_root = 'data/photos/'
steps = 1000
batch_size = 64  # images per step
micro_batch_size = 32  # images at once
labeled_ratio = 0.5  # R/T

# alpha : beta is about 1 : 3, the best on frozen features. The weights are not tuned for fine-tuned
# ones. The penalties rise over the first quarter of the run.
ramp = dict(end=1 / 4)
penalties = dict(
    loss_mel=dict(type='mmsemiloc.MeanEntropyLoss', loss_weight=0.3, schedule=ramp),
    loss_nbel=dict(type='mmsemiloc.NegativeBatchEntropyLoss', loss_weight=1.0, schedule=ramp),
    loss_locality=dict(
        type='mmsemiloc.LocalityLoss', loss_weight=0.1, scale_free=True, schedule=ramp
    ),
)

weak_transforms = [
    dict(type='RandomResizedCrop', scale=224, crop_ratio_range=(0.35, 1.0)),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
]
strong_transforms = [
    *weak_transforms,
    dict(
        type='RandAugment',
        policies='timm_increasing',
        num_policies=2,
        total_level=10,
        magnitude_level=9,
        magnitude_std=0.5,
        hparams=dict(pad_val=[104, 116, 124], interpolation='bicubic'),
    ),
    dict(type='RandomErasing', erase_prob=0.5, mode='const', max_area_ratio=1 / 3),
]
train_pipeline = [dict(type='LoadImageFromFile'), *weak_transforms, dict(type='PackInputs')]
# Two views of an unlabelled image, for terms such as FixMatchLoss.
view_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='MultiView', num_views=[1, 1], transforms=[weak_transforms, strong_transforms]),
    dict(type='PackInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='ResizeEdge', scale=256, edge='short'),
    dict(type='CenterCrop', crop_size=224),
    dict(type='PackInputs'),
]

train_dataloader = dict(
    batch_size=batch_size,
    num_workers=2,
    persistent_workers=True,
    dataset=dict(
        type='mmsemiloc.SemiSupDataset',
        labeled=dict(
            type='CustomDataset',
            data_root=data_root,
            ann_file='labeled.txt',
            pipeline=train_pipeline,
        ),
        unlabeled=dict(
            type='CustomDataset',
            data_root=data_root,
            ann_file='unlabeled.txt',
            with_label=False,
            pipeline=train_pipeline,
        ),
    ),
    sampler=dict(
        type='mmsemiloc.SemiSupSampler',
        batch_size=batch_size,
        micro_batch_size=micro_batch_size,
        labeled_ratio=labeled_ratio,
        epoch_length=steps,
    ),
)
val_dataloader = dict(
    batch_size=32,
    num_workers=2,
    persistent_workers=True,
    dataset=dict(
        type='CustomDataset', data_root=data_root, ann_file='val.txt', pipeline=test_pipeline
    ),
    sampler=dict(type='DefaultSampler', shuffle=False),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='Accuracy', topk=(1,))
test_evaluator = val_evaluator

# A layer learns layer_decay_rate times as fast as the one behind it; the classifier has the whole
# learning rate.
optim_wrapper = dict(
    type='mmsemiloc.AccumOptimWrapper',
    micro_batch_size=micro_batch_size,
    optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.05),
    clip_grad=dict(max_norm=5.0),
    constructor='LearningRateDecayOptimWrapperConstructor',
    paramwise_cfg=dict(
        layer_decay_rate=0.7,
        norm_decay_mult=0.0,
        bias_decay_mult=0.0,
        flat_decay_mult=0.0,
        custom_keys={
            '.cls_token': dict(decay_mult=0.0),
            '.pos_embed': dict(decay_mult=0.0),
            '.relative_position_bias_table': dict(decay_mult=0.0),
        },
    ),
)
param_scheduler = [
    dict(type='LinearLR', by_epoch=False, start_factor=0.01, begin=0, end=steps // 20),
    dict(
        type='CosineAnnealingLR',
        by_epoch=False,
        begin=steps // 20,
        end=steps,
        T_max=steps - steps // 20,
    ),
]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=steps, val_interval=steps // 5)
val_cfg = dict()
test_cfg = dict()
default_hooks = dict(checkpoint=dict(by_epoch=False, interval=steps // 5, max_keep_ckpts=2))
log_processor = dict(by_epoch=False)
