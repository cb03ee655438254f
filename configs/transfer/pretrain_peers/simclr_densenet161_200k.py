"""SimCLR with DenseNet-161 on the 200,000 unlabelled images, with as many views in all as
densenet_mel_nbel_loc.py.

    tools/dist_train.sh configs/transfer/pretrain_peers/simclr_densenet161_200k.py 8

86 epochs: two views an image.
The rest is MMPretrain's recipe, its learning rate scaled to the batch.
Hardware: 8 GPUs. Expected: not yet run.
"""

_base_ = 'mmpretrain::simclr/simclr_resnet50_16xb256-coslr-200e_in1k.py'
max_epochs = 86
model = dict(
    backbone=dict(_delete_=True, type='DenseNet', arch='161', norm_cfg=dict(type='SyncBN')),
    neck=dict(in_channels=2208),
)
train_dataloader = dict(
    batch_size=128,
    dataset=dict(ann_file='meta/unlabeled_200000.txt', with_label=False),
    collate_fn=dict(_delete_=True, type='default_collate'),
)  # MMEngine stumbles over the scope of an inherited one
# BatchNorm's weights are called otherwise in a DenseNet than in a ResNet.
norm = dict(decay_mult=0, lars_exclude=True)
optim_wrapper = dict(
    paramwise_cfg=dict(custom_keys={'norm': norm, 'stem.1': norm, 'transitions.3.0': norm})
)
auto_scale_lr = dict(base_batch_size=4096, enable=True)
param_scheduler = [
    dict(
        type='LinearLR',
        start_factor=1e-4,
        by_epoch=True,
        begin=0,
        end=10,
        convert_to_iter_based=True,
    ),
    dict(
        type='CosineAnnealingLR',
        T_max=max_epochs - 10,
        by_epoch=True,
        begin=10,
        end=max_epochs,
        convert_to_iter_based=True,
    ),
]
train_cfg = dict(max_epochs=max_epochs)
