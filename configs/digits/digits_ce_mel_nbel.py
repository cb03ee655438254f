"""DigitScenes, cross-entropy + mean entropy (MEL) + negative batch entropy (NBEL).

    python tools/train.py configs/digits/digits_ce_mel_nbel.py

Hardware: a CPU, about 5 minutes with one thread.
Expected: test accuracy 84.9 ± 1.0 % (mean and standard deviation of 3 seeds).
"""

_base_ = '../_base_/digits.py'
model = dict(head=dict(loss_mel={{_base_.mel}}, loss_nbel={{_base_.nbel}}))
