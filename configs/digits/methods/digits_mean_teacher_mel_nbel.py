"""DigitScenes, cross-entropy + mean teacher + MEL + NBEL.

    python tools/train.py configs/digits/methods/digits_mean_teacher_mel_nbel.py

Hardware: a CPU. Expected: not yet run.
"""

_base_ = '../../_base_/digits.py'
model = dict(
    head=dict(
        loss_mel={{_base_.late_view_mel}},
        loss_nbel={{_base_.late_view_nbel}},
        terms=dict(consistency={{_base_.mse_consistency}}),
    )
)
train_dataloader = dict(dataset=dict(unlabeled=dict(pipeline={{_base_.view_pipeline}})))
custom_hooks = [{{_base_.teacher}}]
