"""DigitScenes, MoCo v2 on the unlabelled images, as a peer in the transfer study.

    python tools/train.py configs/transfer/digits/digits_mocov2.py

32 images per step in two views, and the steps of configs/digits.
Hardware: a CPU. Expected: docs/transfer.md.
"""

_base_ = '../../_base_/digits_peers.py'
model = dict(
    _delete_=True,
    type='MoCo',
    queue_len=1024,
    feat_dim=64,
    momentum=0.01,
    data_preprocessor={{_base_.peer_preprocessor}},
    backbone={{_base_.model.backbone}},
    neck=dict(
        type='MoCoV2Neck', in_channels=160, hid_channels=256, out_channels=64, with_avg_pool=True
    ),
    head=dict(type='ContrastiveHead', loss=dict(type='CrossEntropyLoss'), temperature=0.2),
)
