"""DigitScenes, cross-entropy + consistency under stochastic transformations + MEL + NBEL.

    python tools/train.py configs/digits/methods/digits_transform_mel_nbel.py

Hardware: a CPU. Expected: not yet run.
"""

_base_ = '../../_base_/digits.py'
model = dict(
    head=dict(
        loss_mel={{_base_.view_mel}},
        loss_nbel={{_base_.view_nbel}},
        terms=dict(transform={{_base_.transform}}),
    )
)
train_dataloader = dict(dataset=dict(unlabeled=dict(pipeline={{_base_.two_alike_pipeline}})))
