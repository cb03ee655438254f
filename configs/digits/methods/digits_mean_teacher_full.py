"""DigitScenes, cross-entropy + mean teacher + MEL + NBEL + locality penalty.

    python tools/train.py configs/digits/methods/digits_mean_teacher_full.py

Hardware: a CPU. Expected: test accuracy 93.1 ± 0.7 % (3 seeds).
"""

_base_ = 'digits_mean_teacher.py'
model = dict(
    head=dict(
        loss_mel={{_base_.late_view_mel}},
        loss_nbel={{_base_.late_view_nbel}},
        loss_locality={{_base_.locality}},
    )
)
