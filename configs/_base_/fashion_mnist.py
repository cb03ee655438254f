# Fashion-MNIST: 55,000 training images of 28x28, of which a seed draws the labelled ones; 5,000
# validation and 10,000 test images. The files are those of Debian's package:
#   apt-get install dataset-fashion-mnist
# or data_root=FOLDER has MMPretrain's download (docs/data.md).
data_root = '/usr/share/datasets/fashion-mnist'
per_class = 4  # labelled images of each class
label_seed = 0  # draws them; all other training images are unlabelled
image_size = 224  # what the network sees; augmentations work on 28x28
batch_size = 64  # images per step
micro_batch_size = None  # images at once: all
labeled_ratio = 0.5  # R/T: 32 labelled beside 32 unlabelled

enlarge = [dict(type='Resize', scale=(image_size, image_size)), dict(type='PackInputs')]
to_bgr = dict(type='mmsemiloc.GrayToBGR')
weak_transforms = [
    dict(type='RandomCrop', crop_size=28, padding=2, padding_mode='reflect'),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
]
black = (0, 0, 0)  # as what is behind the clothes
strong_transforms = [
    *weak_transforms,
    dict(
        type='RandAugment',
        num_policies=2,
        magnitude_level=10,
        magnitude_std='inf',
        hparams=dict(pad_val=black),
        policies=[
            dict(type='AutoContrast'),
            dict(type='Equalize'),
            dict(type='Rotate', magnitude_range=(0, 30)),
            dict(type='Posterize', magnitude_range=(4, 0)),
            dict(type='Contrast', magnitude_range=(0, 0.9)),
            dict(type='Brightness', magnitude_range=(0, 0.9)),
            dict(type='Sharpness', magnitude_range=(0, 0.9)),
            dict(type='Shear', magnitude_range=(0, 0.3), direction='horizontal'),
            dict(type='Shear', magnitude_range=(0, 0.3), direction='vertical'),
        ],
    ),
    dict(type='Cutout', shape=10, pad_val=black, prob=1.0),
]
train_pipeline = [to_bgr, *weak_transforms, *enlarge]
view_pipeline = [
    to_bgr,
    dict(
        type='MultiView',
        num_views=[1, 1],
        transforms=[[*weak_transforms, enlarge[0]], [*strong_transforms, enlarge[0]]],
    ),
    enlarge[1],
]
test_pipeline = [to_bgr, *enlarge]

train_dataloader = dict(
    batch_size=batch_size,
    num_workers=2,
    persistent_workers=True,
    dataset=dict(
        type='mmsemiloc.SemiSupDataset',
        labeled=dict(
            type='mmsemiloc.FashionMNIST',
            data_root=data_root,
            per_class=per_class,
            seed=label_seed,
            pipeline=train_pipeline,
        ),
        unlabeled=dict(
            type='mmsemiloc.FashionMNIST',
            data_root=data_root,
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
    dataset=dict(
        type='mmsemiloc.FashionMNIST', data_root=data_root, split='val', pipeline=test_pipeline
    ),
    sampler=dict(type='DefaultSampler', shuffle=False),
)
test_dataloader = dict(
    batch_size=100,
    num_workers=2,
    persistent_workers=True,
    dataset=dict(
        type='mmsemiloc.FashionMNIST', data_root=data_root, split='test', pipeline=test_pipeline
    ),
    sampler=dict(type='DefaultSampler', shuffle=False),
)
val_evaluator = dict(type='Accuracy', topk=(1,))
test_evaluator = val_evaluator
