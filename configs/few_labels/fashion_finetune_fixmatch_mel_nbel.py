"""Fashion-MNIST with 4 labels per class, an EfficientNet-Lite0 of ImageNet, cross-entropy +
FixMatch + MEL + NBEL.

    python tools/train.py configs/few_labels/fashion_finetune_fixmatch_mel_nbel.py

As fashion_finetune_mel_nbel.py, with a weak and a strong view of each unlabelled image.
Hardware: one GPU. Expected: not yet run.
"""

_base_ = 'fashion_finetune_mel_nbel.py'
model = dict(head=dict(terms=dict(fixmatch={{_base_.fixmatch}})))
train_dataloader = dict(dataset=dict(unlabeled=dict(pipeline={{_base_.view_pipeline}})))
