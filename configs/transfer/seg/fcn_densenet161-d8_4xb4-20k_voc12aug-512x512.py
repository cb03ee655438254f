"""FCN and DenseNet-161 (stride 8) on VOC 2012 + additional annotations, from random weights or a
checkpoint.

    tools/dist_train.sh configs/transfer/seg/fcn_densenet161-d8_4xb4-20k_voc12aug-512x512.py 4 \\
        --cfg-options model.backbone.init_cfg.type=Pretrained \\
        model.backbone.init_cfg.checkpoint=FILE

Hardware: 4 GPUs. Expected: not yet run.
"""

_base_ = ['mmseg::fcn/fcn_r50-d8_4xb4-20k_voc12aug-512x512.py', '../../_base_/densenet161_d8.py']
model = {{_base_.segmenter}}
