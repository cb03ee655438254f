"""Long-tailed DigitScenes, cross-entropy + MEL + NBEL that expects all classes equally often.

    python tools/train.py configs/digits/long_tail/digits_lt_uniform.py

Hardware: a CPU, about 5 minutes with one thread.
Expected: test accuracy 80.8 ± 0.8 %, mean recall 71.8 ± 1.8 % (mean and standard
deviation of 3 seeds).
"""

_base_ = '../../_base_/digits_long_tail.py'
model = dict(head=dict(loss_mel={{_base_.mel}}, loss_nbel={{_base_.nbel}}))
