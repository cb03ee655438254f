"""DigitScenes, cross-entropy + locality penalty.

    python tools/train.py configs/digits/digits_ce_loc.py

Hardware: a CPU, about 5 minutes with one thread. Expected: not yet run.
"""

_base_ = '../_base_/digits.py'
model = dict(head=dict(loss_locality={{_base_.locality}}))
