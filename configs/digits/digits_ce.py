"""DigitScenes, cross-entropy on the labelled images alone: the baseline.

    python tools/train.py configs/digits/digits_ce.py

Hardware: a CPU, about 3 minutes with one thread.
Expected: 81.9 ± 0.7 % of the test images right (mean and standard deviation of 3 seeds).
"""
_base_ = '../_base_/digits.py'
train_dataloader = dict(batch_size=32, sampler=dict(batch_size=32, labeled_ratio=1.0))
