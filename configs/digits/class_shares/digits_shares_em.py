"""DigitScenes with balanced labelled and long-tailed unlabelled and test images, cross-entropy +
MEL + NBEL with a prior that EM estimates when the penalties begin.

    python tools/train.py configs/digits/class_shares/digits_shares_em.py

Hardware: a CPU, about 5 minutes with one thread.
Expected: docs/class_shares.md.
"""

_base_ = 'digits_shares_uniform.py'
model = dict(head=dict(loss_nbel=dict(prior='estimated')))
