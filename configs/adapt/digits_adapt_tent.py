"""Adaptation of a DigitScenes model to faint digits as in TENT: MEL alone, which trains BatchNorm's
scales and shifts.

    python tools/train.py configs/adapt/digits_adapt_tent.py --cfg-options load_from=FILE

Wang et al., ICLR 2021, https://arxiv.org/abs/2006.10726, here on unlabelled scenes instead of the
test images. Hardware: a CPU, less than a minute with one thread.
Expected: docs/adaptation.md.
"""

_base_ = '../_base_/digits_adapt.py'
model = dict(trainable='norm', head=dict(loss_mel={{_base_.adapt_mel}}))
