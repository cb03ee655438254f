r"""How well the class activation maps of configs/densenet_mel_nbel_loc.py find the object:
MaxBoxAccV2 and others on ImageNet.

    tools/dist_test.sh configs/imagenet/densenet_localization.py \
        work_dirs/densenet_mel_nbel_loc/epoch_130.pth 8

The boxes of the validation images (ILSVRC2012_bbox_val_v3.tgz) lie in
data/imagenet/Annotations/CLS-LOC/val. Images are resized to 224 x 224 without a crop, as in the
published evaluation, so the accuracy is not that of the usual crop.
Hardware: 8 GPUs. Expected result: not yet run.
"""

_base_ = '../densenet_mel_nbel_loc.py'
model = dict(head=dict(predict_cam=True))
test_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(
                type='mmsemiloc.LoadLocalizationBoxes',
                ann_dir='data/imagenet/Annotations/CLS-LOC/val',
            ),
            dict(type='Resize', scale=(224, 224)),
            dict(type='PackInputs', algorithm_keys=('gt_bboxes',)),
        ]
    )
)
test_evaluator = [dict(type='Accuracy', topk=(1, 5)), dict(type='mmsemiloc.CAMLocalization')]
