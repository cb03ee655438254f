"""Fashion-MNIST with 4 labels per class, an EfficientNet-Lite0 of ImageNet, cross-entropy + MEL +
NBEL.

    python tools/train.py configs/few_labels/fashion_finetune_mel_nbel.py

A step has 32 labelled and 32 unlabelled images. Hardware: one GPU. Expected: not yet run.
"""

_base_ = [
    '../_base_/efficientnet_lite0.py',
    '../_base_/fashion_mnist.py',
    '../_base_/finetune_few_labels.py',
]
num_classes = 10
model = dict(
    data_preprocessor=dict(num_classes=num_classes),
    head=dict(num_classes=num_classes, loss_mel={{_base_.mel}}, loss_nbel={{_base_.nbel}}),
)
