"""ImageNet with the recipe of configs/digits/best.py: mean teacher + MEL + NBEL + locality penalty.

    tools/dist_train.sh configs/imagenet/imagenet_best.py 8

The mean teacher is that of its authors for ImageNet (configs/_base_/imagenet_views.py, which all
methods share). The penalties have the weights and, in shares of the run, the schedule that were the
best on DigitScenes (docs/comparison.md). 64,000 labelled and 200,000 unlabelled images.
With BACKBONE=resnet50 before the command, the network is a ResNet-50 instead of a DenseNet-161.
Hardware: 8 GPUs with 80 GB. Expected result: not yet run.
"""

_base_ = 'methods/imagenet_mean_teacher.py'
work_dir = 'work_dirs/{{fileBasenameNoExtension}}_{{$BACKBONE:densenet161}}'
ramp = dict(begin=3 / 8, end=1 / 2)  # shares of the run
model = dict(
    head=dict(
        loss_mel=dict(type='mmsemiloc.MeanEntropyLoss', loss_weight=0.3, schedule=ramp),
        loss_nbel=dict(type='mmsemiloc.NegativeBatchEntropyLoss', loss_weight=1.0, schedule=ramp),
        loss_locality=dict(_base_.locality, schedule=ramp),
    )
)
