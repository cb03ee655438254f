"""DigitScenes, the unsupervised losses alone: MEL + NBEL + locality penalty, from the first step on
and without any label.

    python tools/train.py configs/transfer/digits/digits_unsupervised.py

Every image of a batch is an unlabelled one. Hardware: a CPU. Expected: docs/transfer.md.
"""

_base_ = '../../_base_/digits.py'
# The penalties of the quickstart, from the first step on.
model = dict(
    head=dict(
        loss_mel=dict(type='mmsemiloc.MeanEntropyLoss', loss_weight=1.0),
        loss_nbel=dict(type='mmsemiloc.NegativeBatchEntropyLoss', loss_weight=1.0),
        loss_locality=dict(type='mmsemiloc.LocalityLoss', loss_weight=0.1, scale_free=True),
    )
)
labeled_ratio = 0.0
train_dataloader = dict(sampler=dict(labeled_ratio=labeled_ratio))
