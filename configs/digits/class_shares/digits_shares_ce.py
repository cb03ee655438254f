"""DigitScenes with balanced labelled and long-tailed unlabelled and test images, cross-entropy on
the labelled images alone.

    python tools/train.py configs/digits/class_shares/digits_shares_ce.py

Hardware: a CPU, about 3 minutes with one thread.
Expected: docs/class_shares.md.
"""

_base_ = '../long_tail/digits_lt_ce.py'
train_dataloader = dict(dataset=dict(labeled=dict(imbalance=1)))
