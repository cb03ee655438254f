"""DigitScenes, cross-entropy + FixMatch + MEL + NBEL + locality penalty.

    python tools/train.py configs/digits/methods/digits_fixmatch_full.py

Hardware: a CPU. Expected: test accuracy 92.7 ± 0.9 % (3 seeds).
"""

_base_ = 'digits_fixmatch.py'
model = dict(
    head=dict(
        loss_mel={{_base_.view_mel}},
        loss_nbel={{_base_.view_nbel}},
        loss_locality={{_base_.locality}},
    )
)
