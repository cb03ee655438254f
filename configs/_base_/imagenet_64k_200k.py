# ImageNet with 64,000 labelled and 200,000 unlabelled training images, as in the paper; 50,000
# validation images. data/imagenet/{train,val} hold the images, data/imagenet/meta the lists:
#   labeled_64000.txt    lines 'n01440764/n01440764_10026.JPEG 0', relative to train/
#   unlabeled_200000.txt lines 'n01440764/n01440764_10027.JPEG', without labels
#   val.txt              lines 'ILSVRC2012_val_00000001.JPEG 65', relative to val/
data_root = 'data/imagenet/'
num_classes = 1000
data_preprocessor = dict(
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    to_rgb=True,
    num_classes=num_classes,
)

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='ResizeEdge', scale=256, edge='short'),
    dict(type='RandomCrop', crop_size=224),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='PackInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='ResizeEdge', scale=256, edge='short'),
    dict(type='CenterCrop', crop_size=224),
    dict(type='PackInputs'),
]

train_dataloader = dict(
    num_workers=8,
    persistent_workers=True,
    pin_memory=True,
    collate_fn=dict(type='default_collate'),
    dataset=dict(
        type='mmsemiloc.SemiSupDataset',
        labeled=dict(
            type='ImageNet',
            data_root=data_root,
            split='train',
            ann_file='meta/labeled_64000.txt',
            pipeline=train_pipeline,
        ),
        unlabeled=dict(
            type='CustomDataset',
            data_root=data_root,
            data_prefix='train',
            ann_file='meta/unlabeled_200000.txt',
            with_label=False,
            pipeline=train_pipeline,
        ),
    ),
    sampler=dict(type='mmsemiloc.SemiSupSampler', epoch_length='all'),
)
val_dataloader = dict(
    batch_size=64,
    num_workers=8,
    persistent_workers=True,
    pin_memory=True,
    collate_fn=dict(type='default_collate'),
    dataset=dict(
        type='ImageNet',
        data_root=data_root,
        split='val',
        ann_file='meta/val.txt',
        pipeline=test_pipeline,
    ),
    sampler=dict(type='DefaultSampler', shuffle=False),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='Accuracy', topk=(1, 5))
test_evaluator = val_evaluator
