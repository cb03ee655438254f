"""Fine-tuning of a DenseNet-161 with 1 % of ImageNet's labels.

    python tools/make_split.py data/imagenet/train --out data/imagenet/meta --labeled 1%
    tools/dist_train.sh configs/transfer/cls/finetune_densenet161_in1k-1pct.py 8 \\
        --cfg-options model.backbone.init_cfg.type=Pretrained \\
        model.backbone.init_cfg.checkpoint=FILE

All layers are trained. The linear layer, which is new, has ten times the learning rate.
Hardware: 8 GPUs. Expected: not yet run.
"""

_base_ = 'linear_densenet161_in1k.py'
max_epochs = 60
model = dict(backbone=dict(frozen_stages=-1, norm_eval=False))
train_dataloader = dict(dataset=dict(ann_file='meta/labeled_12811.txt'))
optim_wrapper = dict(
    optimizer=dict(lr=0.02, weight_decay=1e-4),
    paramwise_cfg=dict(custom_keys=dict(head=dict(lr_mult=10.0))),
)
param_scheduler = [
    dict(
        type='CosineAnnealingLR',
        T_max=max_epochs,
        by_epoch=True,
        begin=0,
        end=max_epochs,
        convert_to_iter_based=True,
    )
]
train_cfg = dict(max_epochs=max_epochs)
sync_bn = 'torch'
