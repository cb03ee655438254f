# DenseNet-161 under an FPN, for the detectors of configs/transfer/det.
detector = dict(
    backbone=dict(_delete_=True, type='mmsemiloc.DenseNetPyramid', arch='161', norm_eval=False),
    neck=dict(in_channels=[384, 768, 2112, 2208]),
)
sync_bn = 'torch'
