r"""A trained classifier on photographs of one's own, adapted without labels: MEL + NBEL as in SHOT,
with a frozen classifier.

    python tools/train.py configs/adapt/photos_mel_nbel.py \
        --cfg-options data_root=data/photos load_from=FILE

FILE is a ResNet-50 with 1,000 classes, of this project, MMPretrain or torchvision; num_classes=...
stands for other numbers. The photographs lie anywhere below data_root. NBEL expects all classes
alike: where some of them are rare or absent, give their shares, one number for each class, by
model.head.loss_nbel.prior=shares.txt. An effective batch needs more images than there are classes.
The order of the classes is that of the checkpoint. Without labels nothing tells whether it has
helped: compare on some labelled photographs by tools/test.py.
Hardware: a GPU with 16 GB. Expected result: not yet run.
"""

_base_ = ['../_base_/resnet50.py', '../_base_/runtime.py']

data_root = 'data/photos'
steps = 200
num_classes = 1000
batch_size, micro_batch_size, labeled_ratio = 2048, 64, 0.0

model = dict(
    frozen=['head'],
    head=dict(
        num_classes=num_classes,
        loss_mel=dict(type='mmsemiloc.MeanEntropyLoss', loss_weight=1.0),
        loss_nbel=dict(type='mmsemiloc.NegativeBatchEntropyLoss', loss_weight=1.0),
    ),
)
data_preprocessor = dict(
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    to_rgb=True,
    num_classes=num_classes,
)

train_dataloader = dict(
    batch_size=batch_size,
    num_workers=8,
    dataset=dict(
        type='mmsemiloc.SemiSupDataset',
        labeled=None,
        unlabeled=dict(
            type='CustomDataset',
            data_root=data_root,
            with_label=False,
            pipeline=[
                dict(type='LoadImageFromFile'),
                dict(type='ResizeEdge', scale=256, edge='short'),
                dict(type='RandomCrop', crop_size=224),
                dict(type='RandomFlip', prob=0.5, direction='horizontal'),
                dict(type='PackInputs'),
            ],
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

optim_wrapper = dict(
    type='mmsemiloc.AccumOptimWrapper',
    micro_batch_size=micro_batch_size,
    optimizer=dict(type='SGD', lr=0.01, momentum=0.9, weight_decay=1e-3),
)
param_scheduler = dict(type='LinearLR', by_epoch=False, start_factor=1.0, end_factor=0.0, end=steps)
train_cfg = dict(type='IterBasedTrainLoop', max_iters=steps)
default_hooks = dict(
    checkpoint=dict(by_epoch=False, interval=steps // 5),
    logger=dict(interval=10),
    health=dict(interval=10),
)
log_processor = dict(by_epoch=False, window_size=10)
