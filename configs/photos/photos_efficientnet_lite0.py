r"""Photographs of one's own, few of them with labels: EfficientNet-Lite0, pretrained on ImageNet,
with CE + MEL + NBEL + locality penalty.

    .venv/bin/python tools/train.py configs/photos/photos_efficientnet_lite0.py \
        --cfg-options data_root=data/photos num_classes=3

data/photos has the lists that configs/_base_/photos.py names. The weights are installed with
mmsemiloc.
Hardware: one GPU. Expected result: not yet run.
"""

_base_ = ['../_base_/photos.py', '../_base_/efficientnet_lite0.py']
model = dict(head=_base_.penalties)
