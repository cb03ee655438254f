"""DigitScenes, the full loss: cross-entropy + MEL + NBEL + locality penalty (scale-free).

    python tools/train.py configs/digits/digits_full.py

Hardware: a CPU, about 5 minutes with one thread.
Expected: test accuracy 85.0 ± 1.3 % (mean and standard deviation of 3 seeds).
"""

_base_ = '../_base_/digits.py'
model = dict(
    head=dict(loss_mel={{_base_.mel}}, loss_nbel={{_base_.nbel}}, loss_locality={{_base_.locality}})
)
