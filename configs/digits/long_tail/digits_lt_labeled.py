"""Long-tailed DigitScenes, cross-entropy + MEL + NBEL that expects the classes as often as they are
labelled.

    python tools/train.py configs/digits/long_tail/digits_lt_labeled.py

Hardware: a CPU, about 5 minutes with one thread.
Expected: test accuracy 84.0 ± 0.6 %, mean recall 71.0 ± 1.1 % (mean and standard
deviation of 3 seeds).
"""

_base_ = 'digits_lt_uniform.py'
model = dict(head=dict(loss_nbel=dict(prior='labeled')))
