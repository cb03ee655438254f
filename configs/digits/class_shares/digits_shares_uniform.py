"""DigitScenes with balanced labelled and long-tailed unlabelled and test images, cross-entropy +
MEL + NBEL that expects all classes equally often among the unlabelled images.

    python tools/train.py configs/digits/class_shares/digits_shares_uniform.py

Hardware: a CPU, about 5 minutes with one thread.
Expected: docs/class_shares.md.
"""

_base_ = '../long_tail/digits_lt_uniform.py'
train_dataloader = dict(dataset=dict(labeled=dict(imbalance=1)))
# The shares of the unlabelled images are asked for, so NBEL reads those alone.
model = dict(head=dict(loss_nbel=dict(unlabeled=True)))
