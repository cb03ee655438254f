"""ELPV with 10 labels per class, an EfficientNet-Lite0 of ImageNet, cross-entropy alone.

    python tools/train.py configs/few_labels/elpv_finetune_ce.py
    python tools/train.py configs/few_labels/elpv_finetune_ce.py \\
        --cfg-options per_class=25 label_seed=1

The images that are drawn as labelled ones follow `label_seed`. A step has 32 of them.
Hardware: one GPU. Expected: not yet run.
"""

_base_ = [
    '../_base_/efficientnet_lite0.py',
    '../_base_/elpv.py',
    '../_base_/finetune_few_labels.py',
]
num_classes = 2
model = dict(data_preprocessor=dict(num_classes=num_classes), head=dict(num_classes=num_classes))
batch_size, labeled_ratio = 32, 1.0
train_dataloader = dict(
    batch_size=batch_size, sampler=dict(batch_size=batch_size, labeled_ratio=labeled_ratio)
)
