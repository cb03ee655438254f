"""DigitScenes, cross-entropy on the labelled images alone: the baseline.

    python tools/train.py configs/digits/digits_ce.py

Hardware: a CPU, about 3 minutes with one thread.
Expected: test accuracy 81.9 ± 0.7 % (mean and standard deviation of 3 seeds).
"""

_base_ = '../_base_/digits.py'
batch_size, labeled_ratio = 32, 1.0
train_dataloader = dict(
    batch_size=batch_size, sampler=dict(batch_size=batch_size, labeled_ratio=labeled_ratio)
)
