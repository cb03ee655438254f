"""DigitScenes, cross-entropy + FixMatch + MEL + NBEL.

    python tools/train.py configs/digits/methods/digits_fixmatch_mel_nbel.py

Hardware: a CPU. Expected: not yet run.
"""

_base_ = '../../_base_/digits.py'
model = dict(
    head=dict(
        loss_mel={{_base_.view_mel}},
        loss_nbel={{_base_.view_nbel}},
        terms=dict(fixmatch={{_base_.fixmatch}}),
    )
)
train_dataloader = dict(dataset=dict(unlabeled=dict(pipeline={{_base_.view_pipeline}})))
