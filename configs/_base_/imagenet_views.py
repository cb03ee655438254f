# Methods with weak and strong views on ImageNet, 64,000 labelled and 200,000 unlabelled images: the
# same optimizer, steps and labelled images for all of them. On 8 GPUs a step has 512 labelled and
# 2,560 unlabelled images, each of these in up to two views: 5 unlabelled ones for a labelled one as
# in FixMatch, and enough images for an exact NBEL of 1,000 classes.
_base_ = ['imagenet_64k_200k.py', 'runtime.py']

steps = 60000
batch_size = 384  # images per GPU and step
labeled_ratio = 1 / 6  # 64 of them
micro_batch_size = (
    96  # images at once, up to 176 views: an estimate for DenseNet-161 in bfloat16 and 80 GB
)

# The penalties of configs/densenet_mel_nbel_loc.py; NBEL and locality join as late as there.
# `begin` and `end` are shares of the run.
late = dict(begin=10 / 13)
mel = dict(type='mmsemiloc.MeanEntropyLoss', loss_weight=0.8)
nbel = dict(type='mmsemiloc.NegativeBatchEntropyLoss', loss_weight=0.5, schedule=late)
locality = dict(type='mmsemiloc.LocalityLoss', loss_weight=0.1, scale_free=True, schedule=late)

# Lee 2013: every prediction is a label; the weight rises from 0 to 3.
pseudo_label = dict(
    type='mmsemiloc.PseudoLabelLoss',
    loss_weight=3.0,
    threshold=0.0,
    schedule=dict(begin=1 / 10, end=6 / 10),
)
# Sajjadi et al. 2016: two views of the same kind, whose one pair is the paper's sum over pairs.
transform = dict(type='mmsemiloc.TransformConsistencyLoss', loss_weight=1.0)
# Tarvainen and Valpola 2017, as in the authors' code for ImageNet: 10 KL, raised over 5 of 60
# epochs; decay 0.9997.
consistency = dict(
    type='mmsemiloc.SoftConsistencyLoss', loss_weight=10.0, distance='kl', schedule=dict(end=1 / 12)
)
teacher = dict(type='mmsemiloc.MeanTeacherHook', momentum=0.0003)
# Sohn et al. 2020 for ImageNet.
fixmatch = dict(type='mmsemiloc.FixMatchLoss', loss_weight=10.0, threshold=0.7)

bgr_mean, bgr_std = [103.53, 116.28, 123.675], [57.375, 57.12, 58.395]
weak_transforms = [
    dict(type='RandomResizedCrop', scale=224, backend='pillow', interpolation='bicubic'),
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
    dict(type='ColorJitter', brightness=0.4, contrast=0.4, saturation=0.4),
    dict(
        type='RandomErasing',
        erase_prob=0.5,
        mode='rand',
        min_area_ratio=0.02,
        max_area_ratio=1 / 3,
        fill_color=bgr_mean,
        fill_std=bgr_std,
    ),
]
weak_pipeline = [dict(type='LoadImageFromFile'), *weak_transforms, dict(type='PackInputs')]
two_weak_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='MultiView', num_views=[2], transforms=[weak_transforms]),
    dict(type='PackInputs'),
]
view_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='MultiView', num_views=[1, 1], transforms=[weak_transforms, strong_transforms]),
    dict(type='PackInputs'),
]

train_dataloader = dict(
    batch_size=batch_size,
    num_workers=16,
    dataset=dict(labeled=dict(pipeline=weak_pipeline), unlabeled=dict(pipeline=weak_pipeline)),
    sampler=dict(
        batch_size=batch_size,
        labeled_ratio=labeled_ratio,
        micro_batch_size=micro_batch_size,
        epoch_length=steps,
    ),
)

optim_wrapper = dict(
    type='mmsemiloc.AmpAccumOptimWrapper',
    dtype='bfloat16',
    micro_batch_size=micro_batch_size,
    optimizer=dict(type='SGD', lr=0.2, momentum=0.9, nesterov=True, weight_decay=1e-4),
)  # 0.1 for 256 labelled images
auto_scale_lr = dict(base_batch_size=8 * batch_size, enable=True)
param_scheduler = [
    dict(type='LinearLR', by_epoch=False, start_factor=0.01, begin=0, end=steps // 24),
    dict(
        type='CosineAnnealingLR',
        by_epoch=False,
        begin=steps // 24,
        end=steps,
        T_max=steps - steps // 24,
    ),
]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=steps, val_interval=2000)
val_cfg = dict()
test_cfg = dict()
default_hooks = dict(checkpoint=dict(by_epoch=False, interval=2000))
log_processor = dict(by_epoch=False)
