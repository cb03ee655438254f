"""Fine-tuning of a DenseNet-161 with 10 % of ImageNet's labels.

    python tools/make_split.py data/imagenet/train --out data/imagenet/meta --labeled 10%
    tools/dist_train.sh configs/transfer/cls/finetune_densenet161_in1k-10pct.py 8 \\
        --cfg-options model.backbone.init_cfg.type=Pretrained \\
        model.backbone.init_cfg.checkpoint=FILE

All layers are trained. The linear layer, which is new, has ten times the learning rate.
Hardware: 8 GPUs. Expected: not yet run.
"""

_base_ = 'finetune_densenet161_in1k-1pct.py'
max_epochs = 30
train_dataloader = dict(dataset=dict(ann_file='meta/labeled_128116.txt'))
param_scheduler = [dict(_base_.param_scheduler[0], T_max=max_epochs, end=max_epochs)]
train_cfg = dict(max_epochs=max_epochs)
