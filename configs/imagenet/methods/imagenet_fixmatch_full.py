"""ImageNet with FixMatch (Sohn et al. 2020) + MEL + NBEL + locality penalty.

    tools/dist_train.sh configs/imagenet/methods/imagenet_fixmatch_full.py 8

The most probable class of a weak view, if above 0.7, is the label of the strong one. The penalties
and when they join are those of configs/densenet_mel_nbel_loc.py. 64,000 labelled and 200,000
unlabelled images; settings that all methods share are in configs/_base_/imagenet_views.py.
With BACKBONE=resnet50 before the command, the network is a ResNet-50 instead of a DenseNet-161.
Hardware: 8 GPUs with 80 GB. Expected result: not yet run.
"""

_base_ = 'imagenet_fixmatch.py'
work_dir = 'work_dirs/{{fileBasenameNoExtension}}_{{$BACKBONE:densenet161}}'
model = dict(
    head=dict(loss_mel={{_base_.mel}}, loss_nbel={{_base_.nbel}}, loss_locality={{_base_.locality}})
)
