"""DigitScenes with balanced labelled and long-tailed unlabelled and test images, cross-entropy +
MEL + NBEL with class shares that were estimated by black box shift estimation.

    python tools/class_shares.py configs/digits/class_shares/digits_shares_ce.py --steps 600 \\
        --method bbse --out work_dirs/shares.txt
    python tools/train.py configs/digits/class_shares/digits_shares_bbse.py

Hardware: a CPU, about 5 minutes with one thread, and 3 minutes for the shares.
Expected: docs/class_shares.md.
"""

_base_ = 'digits_shares_uniform.py'
# What the first command wrote.
shares = [0.227, 0.141, 0.129, 0.103, 0.139, 0.095, 0.034, 0.036, 0.063, 0.034]
model = dict(head=dict(loss_nbel=dict(prior=shares)))
