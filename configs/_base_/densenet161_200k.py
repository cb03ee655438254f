# What the self-supervised peers of configs/transfer/pretrain_peers change in MMPretrain's recipes:
# the network, the images, and the number of epochs.
max_epochs = 86
network = dict(
    backbone=dict(_delete_=True, type='DenseNet', arch='161', norm_cfg=dict(type='SyncBN')),
    neck=dict(in_channels=2208),
)
unlabeled = dict(
    dataset=dict(ann_file='meta/unlabeled_200000.txt', with_label=False),
    # MMEngine stumbles over the scope of an inherited one.
    collate_fn=dict(_delete_=True, type='default_collate'),
)

# LARS leaves out the weights of BatchNorm, which have other names in a DenseNet than in a ResNet.
norm = dict(decay_mult=0, lars_exclude=True)
lars_keys = {'norm': norm, 'stem.1': norm, 'transitions.3.0': norm}

warmup = dict(
    type='LinearLR', start_factor=1e-4, by_epoch=True, begin=0, end=10, convert_to_iter_based=True
)
cosine = dict(
    type='CosineAnnealingLR',
    T_max=max_epochs - 10,
    by_epoch=True,
    begin=10,
    end=max_epochs,
    convert_to_iter_based=True,
)
