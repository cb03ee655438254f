"""DigitScenes, cross-entropy + pseudo-labels + MEL + NBEL + locality penalty.

    python tools/train.py configs/digits/methods/digits_pseudo_label_full.py

Hardware: a CPU. Expected: not yet run.
"""

_base_ = 'digits_pseudo_label.py'
model = dict(
    head=dict(loss_mel={{_base_.mel}}, loss_nbel={{_base_.nbel}}, loss_locality={{_base_.locality}})
)
