"""Linear probe: a linear layer on the frozen features of a DenseNet-161, trained with all labels of
ImageNet.

    tools/dist_train.sh configs/transfer/cls/linear_densenet161_in1k.py 8 \\
        --cfg-options model.backbone.init_cfg.type=Pretrained \\
        model.backbone.init_cfg.checkpoint=FILE

The schedule is that of MMPretrain for MoCo v3 with a ResNet-50.
Hardware: 8 GPUs. Expected: not yet run.
"""

_base_ = 'mmpretrain::mocov3/benchmarks/resnet50_8xb128-linear-coslr-90e_in1k.py'
model = dict(
    backbone=dict(
        _delete_=True,
        type='mmsemiloc.DenseNetPyramid',
        arch='161',
        out_indices=(3,),
        frozen_stages=4,
        norm_eval=True,
    ),
    head=dict(in_channels=2208),
)
