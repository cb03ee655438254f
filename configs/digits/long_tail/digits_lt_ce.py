"""Long-tailed DigitScenes, cross-entropy on the labelled images alone.

    python tools/train.py configs/digits/long_tail/digits_lt_ce.py

Hardware: a CPU, about 3 minutes with one thread.
Expected: test accuracy 81.9 ± 0.2 %, mean recall 68.7 ± 0.5 % (mean and standard
deviation of 3 seeds).
"""

_base_ = '../../_base_/digits_long_tail.py'
batch_size, labeled_ratio = 32, 1.0
train_dataloader = dict(
    batch_size=batch_size, sampler=dict(batch_size=batch_size, labeled_ratio=labeled_ratio)
)
