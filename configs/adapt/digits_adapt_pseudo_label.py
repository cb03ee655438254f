"""Adaptation of a DigitScenes model to faint digits: pseudo-labels, with a frozen classifier.

    python tools/train.py configs/adapt/digits_adapt_pseudo_label.py --cfg-options load_from=FILE

Every prediction is a label, as in Lee 2013. Hardware: a CPU, less than a minute with one thread.
Expected: docs/adaptation.md.
"""

_base_ = '../_base_/digits_adapt.py'
model = dict(
    head=dict(terms=dict(pseudo_label=dict(type='mmsemiloc.PseudoLabelLoss', threshold=0.0)))
)
