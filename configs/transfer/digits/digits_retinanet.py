"""RetinaNet on dense DigitScenes (96x96 images, 1 to 5 digits), one map of stride 4, from random
weights or a checkpoint.

    python tools/transfer.py digits configs/transfer/digits/digits_retinanet.py --checkpoints \\
        ce=FILE

tools/transfer.py writes the images. Hardware: a CPU. Expected: docs/transfer.md.
"""

_base_ = ['mmdet::_base_/models/retinanet_r50_fpn.py', '../../_base_/dense_digits.py']
default_scope = 'mmdet'
classes = tuple('0123456789')
model = dict(
    data_preprocessor=dict(mean=[128, 128, 128], std=[64, 64, 64], bgr_to_rgb=False),
    backbone={{_base_.pyramid}},
    neck=dict(in_channels=[160], out_channels=64, start_level=0, add_extra_convs=False, num_outs=1),
    bbox_head=dict(
        num_classes=10,
        in_channels=64,
        feat_channels=64,
        stacked_convs=2,
        anchor_generator=dict(octave_base_scale=3, scales_per_octave=3, ratios=[1.0], strides=[4]),
    ),
)
train_dataloader = dict(
    dataset=dict(
        type='CocoDataset',
        data_root={{_base_.data_root}},
        ann_file='annotations/train.json',
        data_prefix=dict(img='images/train/'),
        metainfo=dict(classes=classes),
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations', with_bbox=True),
            dict(type='PhotoMetricDistortion'),
            dict(type='PackDetInputs'),
        ],
    )
)
test_dataloader = dict(
    dataset=dict(
        type='CocoDataset',
        data_root={{_base_.data_root}},
        ann_file='annotations/test.json',
        data_prefix=dict(img='images/test/'),
        metainfo=dict(classes=classes),
        test_mode=True,
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(
                type='Resize', scale=(96, 96), keep_ratio=True
            ),  # as it is, but boxes need the factor
            dict(type='LoadAnnotations', with_bbox=True),
            dict(
                type='PackDetInputs',
                meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'),
            ),
        ],
    )
)
test_evaluator = dict(
    type='CocoMetric', ann_file=f'{_base_.data_root}/annotations/test.json', metric='bbox'
)
