"""Faster R-CNN with FPN and DenseNet-121 on VOC 2007 + 2012 trainval, tested on VOC 2007, from
random weights or a checkpoint.

    tools/dist_train.sh configs/transfer/det/faster-rcnn_densenet121_fpn_1x_voc0712.py 8 \\
        --cfg-options model.backbone.init_cfg.type=Pretrained
        model.backbone.init_cfg.checkpoint=FILE

Hardware: 8 GPUs. Expected: not yet run.
"""

_base_ = 'faster-rcnn_densenet161_fpn_1x_voc0712.py'
model = dict(backbone=dict(arch='121'), neck=dict(in_channels=[256, 512, 1024, 1024]))
