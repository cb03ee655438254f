"""FCN on dense DigitScenes (96x96 images, 10 digits), one map of stride 4, from random weights or a
checkpoint.

    python tools/transfer.py digits configs/transfer/digits/digits_fcn.py --checkpoints ce=FILE

tools/transfer.py writes the images. Hardware: a CPU. Expected: docs/transfer.md.
"""

_base_ = ['mmseg::_base_/models/fcn_r50-d8.py', '../../_base_/dense_digits.py']
default_scope = 'mmseg'
classes = ('background', *'0123456789')
palette = [[25 * i, 255 - 20 * i, 60] for i in range(11)]
norm_cfg = dict(type='BN', requires_grad=True)
model = dict(
    data_preprocessor=dict(mean=[128, 128, 128], std=[64, 64, 64], bgr_to_rgb=False, size=(96, 96)),
    pretrained=None,
    backbone={{_base_.pyramid}},
    decode_head=dict(
        in_channels=160,
        in_index=0,
        channels=64,
        num_convs=1,
        concat_input=False,
        num_classes=11,
        norm_cfg=norm_cfg,
        loss_decode=dict(class_weight=[0.05, *[1.0] * 10]),
    ),  # 94 % of the pixels are background
    auxiliary_head=None,
)
train_dataloader = dict(
    dataset=dict(
        type='BaseSegDataset',
        data_root={{_base_.data_root}},
        img_suffix='.png',
        data_prefix=dict(img_path='images/train', seg_map_path='masks/train'),
        metainfo=dict(classes=classes, palette=palette),
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations'),
            dict(type='PhotoMetricDistortion'),
            dict(type='PackSegInputs'),
        ],
    )
)
test_dataloader = dict(
    dataset=dict(
        type='BaseSegDataset',
        data_root={{_base_.data_root}},
        img_suffix='.png',
        data_prefix=dict(img_path='images/test', seg_map_path='masks/test'),
        metainfo=dict(classes=classes, palette=palette),
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations'),
            dict(type='PackSegInputs'),
        ],
    )
)
test_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'])
