"""DigitScenes, the unsupervised losses alone: MEL + NBEL + locality penalty, from the first step on
and without any label.

    python tools/train.py configs/transfer/digits/digits_unsupervised.py

Every image of a batch is an unlabelled one. Hardware: a CPU. Expected: docs/transfer.md.
"""

_base_ = '../../_base_/digits.py'
model = dict(
    head=dict(loss_mel={{_base_.mel}}, loss_nbel={{_base_.nbel}}, loss_locality={{_base_.locality}})
)
labeled_ratio = 0.0
train_dataloader = dict(sampler=dict(labeled_ratio=labeled_ratio))
