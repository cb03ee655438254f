"""Adaptation of a DigitScenes model to faint digits: BatchNorm's statistics alone.

    python tools/train.py configs/adapt/digits_adapt_bn.py --cfg-options load_from=FILE

The learning rate is 0, so no weight moves; running means and variances do.
Hardware: a CPU, less than a minute with one thread. Expected: docs/adaptation.md.
"""

_base_ = '../_base_/digits_adapt.py'
optim_wrapper = dict(optimizer=dict(lr=0.0))
