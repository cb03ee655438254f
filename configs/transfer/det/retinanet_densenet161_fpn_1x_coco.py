"""RetinaNet with FPN and DenseNet-161 on COCO 2017, 12 epochs, from random weights or a checkpoint.

    tools/dist_train.sh configs/transfer/det/retinanet_densenet161_fpn_1x_coco.py 8 \\
        --cfg-options model.backbone.init_cfg.type=Pretrained \\
        model.backbone.init_cfg.checkpoint=FILE

All layers are trained, and BatchNorm's statistics are updated, synchronised over the GPUs, so that
all initialisations are treated alike. DenseNet-121 instead: --cfg-options model.backbone.arch=121
model.neck.in_channels=[256,512,1024,1024].
Hardware: 8 GPUs. Expected: not yet run.
"""

_base_ = ['mmdet::retinanet/retinanet_r50_fpn_1x_coco.py', '../../_base_/densenet161_fpn.py']
model = {{_base_.detector}}
