"""SimSiam with DenseNet-161 on the 200,000 unlabelled images, with as many views in all as
densenet_mel_nbel_loc.py.

    tools/dist_train.sh configs/transfer/pretrain_peers/simsiam_densenet161_200k.py 8

86 epochs: two views per image.
The rest is MMPretrain's recipe, its learning rate scaled to the batch.
Hardware: 8 GPUs. Expected: not yet run.
"""

_base_ = [
    'mmpretrain::simsiam/simsiam_resnet50_8xb32-coslr-100e_in1k.py',
    '../../_base_/densenet161_200k.py',
]
model = {{_base_.network}}
train_dataloader = dict(_base_.unlabeled, batch_size=32)
auto_scale_lr = dict(base_batch_size=256, enable=True)
param_scheduler = [{{_base_.warmup}}, {{_base_.cosine}}]
train_cfg = dict(max_epochs={{_base_.max_epochs}})
