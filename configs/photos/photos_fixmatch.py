r"""Photographs of one's own, few of them with labels: EfficientNet-Lite0, pretrained on ImageNet,
with FixMatch + MEL + NBEL + locality penalty.

    .venv/bin/python tools/train.py configs/photos/photos_fixmatch.py \
        --cfg-options data_root=data/photos num_classes=3

As configs/photos/photos_efficientnet_lite0.py, with a strong view of each unlabelled image beside
the weak one. Hardware: one GPU. Expected result: not yet run.
"""

_base_ = 'photos_efficientnet_lite0.py'
model = dict(head=dict(terms=dict(fixmatch=dict(type='mmsemiloc.FixMatchLoss', threshold=0.95))))
train_dataloader = dict(dataset=dict(unlabeled=dict(pipeline=_base_.view_pipeline)))
