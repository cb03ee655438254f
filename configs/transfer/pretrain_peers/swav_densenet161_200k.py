"""SwAV with DenseNet-161 on the 200,000 unlabelled images, with as many views in all as
densenet_mel_nbel_loc.py.

    tools/dist_train.sh configs/transfer/pretrain_peers/swav_densenet161_200k.py 8

56 epochs: two views of 224 and six of 96 pixels per image, counted by their pixels. The rest is
MMPretrain's recipe, its learning rate scaled to the batch, and the prototypes rest for one epoch as
there.
Hardware: 8 GPUs. Expected: not yet run.
"""

_base_ = [
    'mmpretrain::swav/swav_resnet50_8xb32-mcrop-coslr-200e_in1k-224px-96px.py',
    '../../_base_/densenet161_200k.py',
]
max_epochs = 56
model = {{_base_.network}}
train_dataloader = dict(_base_.unlabeled, batch_size=32)
auto_scale_lr = dict(base_batch_size=256, enable=True)
param_scheduler = [{{_base_.warmup}}, dict(_base_.cosine, T_max=max_epochs - 10, end=max_epochs)]
train_cfg = dict(max_epochs=max_epochs)
custom_hooks = [
    dict(
        type='SwAVHook',
        priority='VERY_HIGH',
        batch_size=32,
        epoch_queue_starts=15,
        crops_for_assign=[0, 1],
        feat_dim=128,
        queue_length=3840,
        frozen_layers_cfg=dict(prototypes=200000 // 256),
    )
]
