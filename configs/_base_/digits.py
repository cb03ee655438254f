# DigitScenes, small enough for a laptop's CPU: 32x32 images, 150 labels, a DenseNet of 8 layers
# with an 8x8 map.

_base_ = 'runtime.py'

steps = 3000
num_labeled = 150
num_classes = 10
batch_size = 64  # images per step
micro_batch_size = None  # images at once: all
labeled_ratio = 0.5  # R/T: 32 labelled beside 32 unlabelled

# The penalties join after a supervised warm-up and have their full weight at half of the run; the
# learning rate falls after that. `begin` and `end` are shares of the run.
ramp = dict(begin=3 / 8, end=1 / 2)
mel = dict(type='mmsemiloc.MeanEntropyLoss', loss_weight=1.0, schedule=ramp)
nbel = dict(type='mmsemiloc.NegativeBatchEntropyLoss', loss_weight=1.0, schedule=ramp)
# The weight is chosen in docs/cam.md.
locality = dict(type='mmsemiloc.LocalityLoss', loss_weight=0.1, scale_free=True, schedule=ramp)

# Beside consistency between views MEL and NBEL are there from the first step on, see
# docs/comparison.md; beside a mean teacher with squared differences they join late.
view_mel = dict(type='mmsemiloc.MeanEntropyLoss', loss_weight=0.3)
view_nbel = dict(type='mmsemiloc.NegativeBatchEntropyLoss', loss_weight=1.0)
late_view_mel = dict(**view_mel, schedule=ramp)
late_view_nbel = dict(**view_nbel, schedule=ramp)

# The other methods, as their papers have them.
pseudo_label = dict(type='mmsemiloc.PseudoLabelLoss', threshold=0.95, schedule=ramp)
fixmatch = dict(type='mmsemiloc.FixMatchLoss', threshold=0.8)
consistency = dict(type='mmsemiloc.SoftConsistencyLoss', schedule=dict(end=1 / 2))
mse_ramp = dict(end=1 / 4)  # of terms with squared differences
mse_consistency = dict(
    type='mmsemiloc.SoftConsistencyLoss', distance='mse', loss_weight=10.0, schedule=mse_ramp
)
transform = dict(type='mmsemiloc.TransformConsistencyLoss', loss_weight=2.0, schedule=mse_ramp)
teacher = dict(type='mmsemiloc.MeanTeacherHook', momentum=0.01)

model = dict(
    type='mmsemiloc.SemiSupClassifier',
    data_preprocessor=dict(mean=[128, 128, 128], std=[64, 64, 64], num_classes=num_classes),
    backbone=dict(
        type='DenseNet', arch=dict(growth_rate=16, depths=[8], init_channels=32), bn_size=2
    ),
    head=dict(
        type='mmsemiloc.CAMClsHead', num_classes=num_classes, in_channels=160, predict_cam=True
    ),
)

grey = (128, 128, 128)
uniform = dict(
    magnitude_level=1, magnitude_std='inf', total_level=1
)  # draw the magnitude evenly from its range
weak_transforms = [dict(type='RandomCrop', crop_size=32, padding=3, padding_mode='reflect')]
labeled_transforms = [
    *weak_transforms,
    dict(type='Rotate', magnitude_range=(0, 15), prob=0.7, pad_val=grey, **uniform),
    dict(type='Shear', magnitude_range=(0, 0.2), prob=0.7, pad_val=grey, **uniform),
    dict(type='Brightness', magnitude_range=(0, 0.4), prob=0.7, **uniform),
    dict(type='ColorTransform', magnitude_range=(0, 0.5), prob=0.7, **uniform),
    dict(type='Invert', prob=0.3),
    dict(type='Cutout', shape=10, pad_val=grey, prob=0.5),
]
train_pipeline = [*labeled_transforms, dict(type='PackInputs')]
# Two views of an unlabelled image: the second one as far from the first as a digit can be and still
# be read.
strong_transforms = [
    dict(type='RandomCrop', crop_size=32, padding=4),
    dict(
        type='RandAugment',
        num_policies=3,
        magnitude_level=10,
        magnitude_std='inf',
        hparams=dict(pad_val=grey),
        policies=[
            dict(type='AutoContrast'),
            dict(type='Equalize'),
            dict(type='Invert'),
            dict(type='Rotate', magnitude_range=(0, 30)),
            dict(type='Posterize', magnitude_range=(4, 0)),
            dict(type='ColorTransform', magnitude_range=(0, 0.9)),
            dict(type='Contrast', magnitude_range=(0, 0.9)),
            dict(type='Brightness', magnitude_range=(0, 0.9)),
            dict(type='Sharpness', magnitude_range=(0, 0.9)),
            dict(type='Shear', magnitude_range=(0, 0.3), direction='horizontal'),
            dict(type='Shear', magnitude_range=(0, 0.3), direction='vertical'),
        ],
    ),
    dict(type='Cutout', shape=12, pad_val=grey, prob=1.0),
]
strong_pipeline = [*strong_transforms, dict(type='PackInputs')]
view_pipeline = [
    dict(type='MultiView', num_views=[1, 1], transforms=[weak_transforms, strong_transforms]),
    dict(type='PackInputs'),
]
two_alike_pipeline = [
    dict(type='MultiView', num_views=[2], transforms=[labeled_transforms]),
    dict(type='PackInputs'),
]
test_pipeline = [dict(type='PackInputs', algorithm_keys=('gt_bboxes', 'gt_seg_map'))]

train_dataloader = dict(
    batch_size=batch_size,
    num_workers=0,
    dataset=dict(
        type='mmsemiloc.SemiSupDataset',
        labeled=dict(type='mmsemiloc.DigitScenes', num_images=num_labeled, pipeline=train_pipeline),
        unlabeled=dict(
            type='mmsemiloc.DigitScenes',
            first=num_labeled,
            num_images=3850,
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
    batch_size=250,
    num_workers=0,
    dataset=dict(
        type='mmsemiloc.DigitScenes', split='val', num_images=2000, pipeline=test_pipeline
    ),
    sampler=dict(type='DefaultSampler', shuffle=False),
)
test_dataloader = dict(
    batch_size=250,
    num_workers=0,
    dataset=dict(
        type='mmsemiloc.DigitScenes', split='test', num_images=2000, pipeline=test_pipeline
    ),
    sampler=dict(type='DefaultSampler', shuffle=False),
)
val_evaluator = dict(type='Accuracy', topk=(1,))
test_evaluator = [val_evaluator, dict(type='mmsemiloc.CAMLocalization')]

optim_wrapper = dict(
    type='mmsemiloc.AccumOptimWrapper',
    micro_batch_size=micro_batch_size,
    optimizer=dict(type='SGD', lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-4),
)
param_scheduler = dict(
    type='MultiStepLR', by_epoch=False, milestones=[steps * 3 // 4, steps * 9 // 10], gamma=0.1
)
train_cfg = dict(type='IterBasedTrainLoop', max_iters=steps, val_interval=steps)
val_cfg = dict()
test_cfg = dict()
default_hooks = dict(checkpoint=dict(by_epoch=False, interval=steps // 5, max_keep_ckpts=2))
log_processor = dict(by_epoch=False, window_size=100)
