"""Fashion-MNIST with 4 labels per class, frozen features, cross-entropy + FixMatch + MEL + NBEL.

    python tools/train.py configs/few_labels/fashion_frozen_fixmatch_mel_nbel.py

As fashion_frozen_mel_nbel.py, with a strong view of each unlabelled image.
Hardware: one CPU core, 2 minutes for the features (once) and 38 s for 100 steps.
Accuracy on the test images: 71.0 % (one run, one draw of the labels, label_seed=0, seed=0).
"""

_base_ = 'fashion_frozen_mel_nbel.py'
model = dict(head=dict(terms=dict(fixmatch={{_base_.fixmatch}})))
train_dataloader = dict(dataset=dict(unlabeled=dict(views=1, strong={{_base_.strong}})))
