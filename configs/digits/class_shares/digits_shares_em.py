"""DigitScenes with balanced labelled and long-tailed unlabelled and test images, cross-entropy +
MEL + NBEL with class shares that were estimated by EM.

    python tools/class_shares.py configs/digits/class_shares/digits_shares_ce.py --steps 600 \\
        --method em --out work_dirs/shares.txt
    python tools/train.py configs/digits/class_shares/digits_shares_em.py

Hardware: a CPU, about 5 minutes with one thread, and 3 minutes for the shares.
Expected: docs/class_shares.md.
"""

_base_ = 'digits_shares_uniform.py'
# What the first command wrote.
shares = [0.235, 0.202, 0.158, 0.120, 0.103, 0.061, 0.053, 0.043, 0.010, 0.015]
model = dict(head=dict(loss_nbel=dict(prior=shares)))
