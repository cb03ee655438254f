# ELPV: 1,575 training photographs of solar cells, of which a seed draws the labelled ones; 395
# validation and 654 test images. The images come with a package, under CC BY-NC-SA 4.0:
#   pip install elpv-dataset
# 31 % of the cells are defective, so mean recall stands beside accuracy.
per_class = 10  # labelled images of each class
label_seed = 0  # draws them; all other training images are unlabelled
image_size = 224  # what the network sees; the photographs have 300x300
batch_size = 64  # images per step
micro_batch_size = None  # images at once: all
labeled_ratio = 0.5  # R/T: 32 labelled beside 32 unlabelled

read = [dict(type='LoadImageFromFile'), dict(type='Resize', scale=(image_size, image_size))]
# A cell has no up, down, left or right.
weak_transforms = [
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='RandomFlip', prob=0.5, direction='vertical'),
]
strong_transforms = [
    *weak_transforms,
    dict(
        type='RandAugment',
        num_policies=2,
        magnitude_level=10,
        magnitude_std='inf',
        policies=[
            dict(type='AutoContrast'),
            dict(type='Equalize'),
            dict(type='Rotate', magnitude_range=(0, 10)),
            dict(type='Contrast', magnitude_range=(0, 0.5)),
            dict(type='Brightness', magnitude_range=(0, 0.5)),
            dict(type='Sharpness', magnitude_range=(0, 0.9)),
            dict(type='Translate', magnitude_range=(0, 0.1), direction='horizontal'),
            dict(type='Translate', magnitude_range=(0, 0.1), direction='vertical'),
        ],
    ),
]
pack = dict(type='PackInputs')
train_pipeline = [*read, *weak_transforms, pack]
view_pipeline = [
    *read,
    dict(type='MultiView', num_views=[1, 1], transforms=[weak_transforms, strong_transforms]),
    pack,
]
test_pipeline = [*read, pack]

train_dataloader = dict(
    batch_size=batch_size,
    num_workers=2,
    persistent_workers=True,
    dataset=dict(
        type='mmsemiloc.SemiSupDataset',
        labeled=dict(
            type='mmsemiloc.ELPV', per_class=per_class, seed=label_seed, pipeline=train_pipeline
        ),
        unlabeled=dict(
            type='mmsemiloc.ELPV',
            per_class=per_class,
            seed=label_seed,
            labeled=False,
            pipeline=train_pipeline,
        ),
    ),
    sampler=dict(
        type='mmsemiloc.SemiSupSampler',
        batch_size=batch_size,
        micro_batch_size=micro_batch_size,
        labeled_ratio=labeled_ratio,
        epoch_length='all',
    ),
)
val_dataloader = dict(
    batch_size=100,
    num_workers=2,
    persistent_workers=True,
    dataset=dict(type='mmsemiloc.ELPV', split='val', pipeline=test_pipeline),
    sampler=dict(type='DefaultSampler', shuffle=False),
)
test_dataloader = dict(
    batch_size=100,
    num_workers=2,
    persistent_workers=True,
    dataset=dict(type='mmsemiloc.ELPV', split='test', pipeline=test_pipeline),
    sampler=dict(type='DefaultSampler', shuffle=False),
)
val_evaluator = [
    dict(type='Accuracy', topk=(1,)),
    dict(type='SingleLabelMetric', items=('recall',)),  # the mean over the classes
]
test_evaluator = val_evaluator
