"""DigitScenes, SimSiam on the unlabelled images, as a peer in the transfer study.

    python tools/train.py configs/transfer/digits/digits_simsiam.py

32 images per step in two views, and the steps of configs/digits.
Hardware: a CPU. Expected: docs/transfer.md.
"""

_base_ = '../../_base_/digits_peers.py'
model = dict(
    _delete_=True,
    type='SimSiam',
    data_preprocessor={{_base_.peer_preprocessor}},
    backbone={{_base_.model.backbone}},
    neck=dict(
        type='NonLinearNeck',
        in_channels=160,
        hid_channels=256,
        out_channels=64,
        num_layers=2,
        with_last_bn_affine=False,
        norm_cfg=dict(type='BN1d'),
    ),
    head=dict(
        type='LatentPredictHead',
        loss=dict(type='CosineSimilarityLoss'),
        predictor=dict(
            type='NonLinearNeck',
            in_channels=64,
            hid_channels=256,
            out_channels=64,
            num_layers=2,
            with_last_bn=False,
            with_avg_pool=False,
            norm_cfg=dict(type='BN1d'),
        ),
    ),
)
