"""Adaptation of a DigitScenes model to faint digits: MEL alone, with a frozen classifier.

    python tools/train.py configs/adapt/digits_adapt_mel.py --cfg-options load_from=FILE

Hardware: a CPU, less than a minute with one thread. Expected: docs/adaptation.md.
"""

_base_ = '../_base_/digits_adapt.py'
model = dict(head=dict(loss_mel={{_base_.adapt_mel}}))
