"""Long-tailed DigitScenes, cross-entropy on labelled images that are drawn class by class.

    python tools/train.py configs/digits/long_tail/digits_lt_ce_balanced.py

Hardware: a CPU, about 3 minutes with one thread.
Expected: test accuracy 79.5 ± 1.5 %, mean recall 64.6 ± 1.7 % (mean and standard
deviation of 3 seeds).
"""

_base_ = 'digits_lt_ce.py'
train_dataloader = dict(sampler=dict(class_balanced=True))
