r"""The paper's method on ImageNet: DenseNet-161 from scratch, 64,000 labelled and 200,000
unlabelled images.

    tools/dist_train.sh configs/densenet_mel_nbel_loc.py 8

Cross-entropy and MEL (alpha 0.8) from the start; NBEL (beta 0.5) and the locality penalty join
after 100 of 130 epochs, since NBEL helped the authors only when it started from a model trained
with CE + MEL. R/T = 0.7. The locality penalty is the scale-free form with gamma 0.1, as chosen on
DigitScenes (docs/cam.md): the paper's form (gamma 0.01) can be lowered without making maps smaller.
Its values depend on the size of the map alone, and 7x7 is close to the 8x8 of DigitScenes. The
effective batch is T = 1,792 images, because NBEL needs more images than the 1,000 classes
(docs/nbel.md): each GPU runs its 224 in 4 micro-batches of 56, with an exact NBEL over all of them.
The learning rate follows T (0.1 for 256 images).
Hardware: 8 GPUs. Expected result: not yet run (CE on the 64,000 images alone: 42.0 % top-1 in the
paper).

With other GPUs, keep batch_size x GPUs, and let micro_batch_size be what fits into the memory of
one:

    tools/dist_train.sh configs/densenet_mel_nbel_loc.py 2 \
        --cfg-options batch_size=896 micro_batch_size=28
"""

_base_ = ['_base_/imagenet_64k_200k.py', '_base_/runtime.py']

max_epochs = 130
batch_size = 224  # images per GPU and optimizer step: T = 1,792 on 8 GPUs
micro_batch_size = 56  # of them at once
labeled_ratio = 0.7  # R/T
late = dict(begin=10 / 13)  # a share of the run: after 100 of 130 epochs

model = dict(
    type='mmsemiloc.SemiSupClassifier',
    backbone=dict(type='DenseNet', arch='161'),
    head=dict(
        type='mmsemiloc.CAMClsHead',
        num_classes={{_base_.num_classes}},
        in_channels=2208,
        loss_mel=dict(type='mmsemiloc.MeanEntropyLoss', loss_weight=0.8),
        loss_nbel=dict(type='mmsemiloc.NegativeBatchEntropyLoss', loss_weight=0.5, schedule=late),
        loss_locality=dict(
            type='mmsemiloc.LocalityLoss', loss_weight=0.1, scale_free=True, schedule=late
        ),
    ),
)

train_dataloader = dict(
    batch_size=batch_size,
    sampler=dict(
        batch_size=batch_size, micro_batch_size=micro_batch_size, labeled_ratio=labeled_ratio
    ),
)

optim_wrapper = dict(
    type='mmsemiloc.AccumOptimWrapper',
    micro_batch_size=micro_batch_size,
    optimizer=dict(type='SGD', lr=0.7, momentum=0.9, nesterov=True, weight_decay=1e-4),
)
auto_scale_lr = dict(base_batch_size=1792, enable=True)
param_scheduler = [
    dict(
        type='LinearLR', by_epoch=True, start_factor=0.1, begin=0, end=5, convert_to_iter_based=True
    ),
    dict(type='MultiStepLR', by_epoch=True, milestones=[30, 60, 90, 120], gamma=0.1),
]
train_cfg = dict(by_epoch=True, max_epochs=max_epochs, val_interval=1)
val_cfg = dict()
test_cfg = dict()
