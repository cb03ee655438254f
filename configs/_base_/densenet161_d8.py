# DenseNet-161 with a stride of 8, for the segmenters of configs/transfer/seg.
bn = dict(type='BN', requires_grad=True)
segmenter = dict(
    pretrained=None,
    backbone=dict(
        _delete_=True,
        type='mmsemiloc.DenseNetPyramid',
        arch='161',
        norm_eval=False,
        output_stride=8,
    ),
    decode_head=dict(in_channels=2208, norm_cfg=bn),
    auxiliary_head=dict(in_channels=2112, norm_cfg=bn),
)
sync_bn = 'torch'
