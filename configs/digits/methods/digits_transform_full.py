"""DigitScenes, cross-entropy + consistency under stochastic transformations + MEL + NBEL + locality
penalty.

    python tools/train.py configs/digits/methods/digits_transform_full.py

Hardware: a CPU. Expected: test accuracy 89.6 ± 0.9 % (3 seeds).
"""

_base_ = 'digits_transform.py'
model = dict(
    head=dict(
        loss_mel={{_base_.view_mel}},
        loss_nbel={{_base_.view_nbel}},
        loss_locality={{_base_.locality}},
    )
)
