"""DigitScenes, cross-entropy + soft consistency with a mean teacher + MEL + NBEL + locality
penalty.

    python tools/train.py configs/digits/methods/digits_soft_consistency_full.py

The teacher's prediction of the weak view is the target of the strong one, as it is, without a
threshold and not sharpened. MEL and NBEL keep such targets from becoming uncertain or all equal.
Hardware: a CPU. Expected: not yet run on the test split; 91.3 % on the validation split (seed 0).
"""

_base_ = 'digits_soft_consistency.py'
model = dict(
    head=dict(
        loss_mel={{_base_.view_mel}},
        loss_nbel={{_base_.view_nbel}},
        loss_locality={{_base_.locality}},
    )
)
