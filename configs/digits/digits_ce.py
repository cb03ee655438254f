"""DigitScenes, cross-entropy on the labelled images alone: the baseline.

    python tools/train.py configs/digits/digits_ce.py
"""
_base_ = '../_base_/digits.py'
train_dataloader = dict(batch_size=32, sampler=dict(batch_size=32, labeled_ratio=1.0))
