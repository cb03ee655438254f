r"""Photographs of one's own, few of them with labels: DenseNet-161, pretrained on ImageNet,
with CE + MEL + NBEL + locality penalty.

    .venv/bin/python tools/train.py configs/photos/photos_densenet161.py \
        --cfg-options data_root=data/photos num_classes=3

data/photos has the lists that configs/_base_/photos.py names. The first run downloads
the weights; pretrained=FILE takes those of a file.
Hardware: one GPU. Expected result: not yet run.
"""

_base_ = ['../_base_/photos.py', '../_base_/pretrained_densenet161.py']
model = dict(head=_base_.penalties)
