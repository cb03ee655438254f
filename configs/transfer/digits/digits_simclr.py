"""DigitScenes, SimCLR on the unlabelled images, as a peer in the transfer study.

    python tools/train.py configs/transfer/digits/digits_simclr.py

32 images per step in two views, and the steps of configs/digits.
Hardware: a CPU. Expected: docs/transfer.md.
"""

_base_ = '../../_base_/digits_peers.py'
model = dict(
    _delete_=True,
    type='SimCLR',
    data_preprocessor={{_base_.peer_preprocessor}},
    backbone={{_base_.model.backbone}},
    neck=dict(
        type='NonLinearNeck',
        in_channels=160,
        hid_channels=256,
        out_channels=64,
        num_layers=2,
        norm_cfg=dict(type='BN1d'),
    ),
    head=dict(type='ContrastiveHead', loss=dict(type='CrossEntropyLoss'), temperature=0.2),
)
