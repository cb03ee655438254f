"""DigitScenes with balanced labelled and long-tailed unlabelled and test images, cross-entropy +
MEL + NBEL that knows the true class shares of the unlabelled images, which nobody has: a bound.

    python tools/train.py configs/digits/class_shares/digits_shares_true.py

Hardware: a CPU, about 5 minutes with one thread.
Expected: docs/class_shares.md.
"""

_base_ = 'digits_shares_uniform.py'
model = dict(head=dict(loss_nbel=dict(prior=[10 ** (-label / 9) for label in range(10)])))
