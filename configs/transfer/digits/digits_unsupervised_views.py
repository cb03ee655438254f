"""DigitScenes, the unsupervised losses and the consistency of two views, without any label.

    python tools/train.py configs/transfer/digits/digits_unsupervised_views.py

The images, views and steps of the peers. Hardware: a CPU. Expected: docs/transfer.md.
"""

_base_ = ['../../_base_/digits.py', '../../_base_/digits_peer_views.py']
model = dict(
    head=dict(
        loss_mel={{_base_.view_mel}},
        loss_nbel={{_base_.view_nbel}},
        loss_locality=dict(type='mmsemiloc.LocalityLoss', loss_weight=0.1, scale_free=True),
        terms=dict(transform=dict(type='mmsemiloc.TransformConsistencyLoss', loss_weight=10.0)),
    )
)
batch_size, labeled_ratio = 32, 0.0
train_dataloader = dict(
    batch_size=batch_size,
    dataset=dict(unlabeled=dict(pipeline={{_base_.peer_pipeline}})),
    sampler=dict(batch_size=batch_size, labeled_ratio=labeled_ratio),
)
