"""ImageNet with FixMatch (Sohn et al. 2020).

    tools/dist_train.sh configs/imagenet/methods/imagenet_fixmatch.py 8

The most probable class of a weak view, if above 0.7, is the label of the strong one. 64,000
labelled and 200,000 unlabelled images; settings that all methods share are in
configs/_base_/imagenet_views.py.
With BACKBONE=resnet50 before the command, the network is a ResNet-50 instead of a DenseNet-161.
Hardware: 8 GPUs with 80 GB. Expected result: not yet run.
"""

_base_ = ['../../_base_/imagenet_views.py', '../../_base_/{{$BACKBONE:densenet161}}.py']
work_dir = 'work_dirs/{{fileBasenameNoExtension}}_{{$BACKBONE:densenet161}}'
model = dict(head=dict(terms=dict(fixmatch={{_base_.fixmatch}})))
train_dataloader = dict(dataset=dict(unlabeled=dict(pipeline={{_base_.view_pipeline}})))
