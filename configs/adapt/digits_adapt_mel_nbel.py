"""Adaptation of a DigitScenes model to faint digits as in SHOT: MEL + NBEL, with a frozen
classifier.

    python tools/train.py configs/adapt/digits_adapt_mel_nbel.py --cfg-options load_from=FILE

The information maximisation of Liang et al., ICML 2020, https://arxiv.org/abs/2002.08546, without
their pseudo-labels. Hardware: a CPU, less than a minute with one thread.
Expected: docs/adaptation.md.
"""

_base_ = '../_base_/digits_adapt.py'
model = dict(head=dict(loss_mel={{_base_.adapt_mel}}, loss_nbel={{_base_.adapt_nbel}}))
