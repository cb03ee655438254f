"""Fashion-MNIST with 4 labels per class, frozen features, cross-entropy + MEL + NBEL.

    python tools/train.py configs/few_labels/fashion_frozen_mel_nbel.py

NBEL is that of all 2,160 rows of a step.
Hardware: one CPU core; its time is in docs/few_labels.md.
Accuracy on the test images: 73.5 % (one run, one draw of the labels, label_seed=0, seed=0).
"""

_base_ = '../_base_/fashion_frozen.py'
model = dict(head=dict(loss_mel={{_base_.mel}}, loss_nbel={{_base_.nbel}}))
