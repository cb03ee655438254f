r"""Photographs of one's own, few of them with labels: ViT-S/16 (DeiT), pretrained on ImageNet,
with CE + MEL + NBEL + locality penalty.

    .venv/bin/python tools/train.py configs/photos/photos_vit_small.py \
        --cfg-options data_root=data/photos num_classes=3

data/photos has the lists that configs/_base_/photos.py names. The first run downloads
the weights; pretrained=FILE takes those of a file.
Hardware: one GPU. Expected result: not yet run.
"""

_base_ = ['../_base_/photos.py', '../_base_/pretrained_vit_small.py']
model = dict(head=_base_.penalties)
optim_wrapper = dict(optimizer=dict(lr=5e-4), paramwise_cfg=dict(layer_decay_rate=0.75))
