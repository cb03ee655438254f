"""DeepLabV3+ and DenseNet-161 (stride 8) on Cityscapes, from random weights or a checkpoint.

    tools/dist_train.sh \\
        configs/transfer/seg/deeplabv3plus_densenet161-d8_4xb2-40k_cityscapes-512x1024.py 4 \\
        --cfg-options model.backbone.init_cfg.type=Pretrained \\
        model.backbone.init_cfg.checkpoint=FILE

Hardware: 4 GPUs. Expected: not yet run.
"""

_base_ = 'mmseg::deeplabv3plus/deeplabv3plus_r50-d8_4xb2-40k_cityscapes-512x1024.py'
norm_cfg = dict(type='BN', requires_grad=True)
model = dict(
    pretrained=None,
    backbone=dict(
        _delete_=True,
        type='mmsemiloc.DenseNetPyramid',
        arch='161',
        norm_eval=False,
        output_stride=8,
    ),
    decode_head=dict(in_channels=2208, c1_in_channels=384, norm_cfg=norm_cfg),
    auxiliary_head=dict(in_channels=2112, norm_cfg=norm_cfg),
)
sync_bn = 'torch'
