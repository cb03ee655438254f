"""Faster R-CNN with FPN and DenseNet-161 on VOC 2007 + 2012 trainval, tested on VOC 2007, from
random weights or a checkpoint.

    tools/dist_train.sh configs/transfer/det/faster-rcnn_densenet161_fpn_1x_voc0712.py 8 \\
        --cfg-options model.backbone.init_cfg.type=Pretrained \\
        model.backbone.init_cfg.checkpoint=FILE

All layers are trained, and BatchNorm's statistics are updated, synchronised over the GPUs, so that
all initialisations are treated alike. DenseNet-121 instead: --cfg-options model.backbone.arch=121
model.neck.in_channels=[256,512,1024,1024].
Hardware: 8 GPUs. Expected: not yet run.
"""

_base_ = ['mmdet::pascal_voc/faster-rcnn_r50_fpn_1x_voc0712.py', '../../_base_/densenet161_fpn.py']
model = {{_base_.detector}}
