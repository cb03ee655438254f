"""ImageNet with mean teacher (Tarvainen and Valpola 2017).

    tools/dist_train.sh configs/imagenet/methods/imagenet_mean_teacher.py 8

Predictions of strong views are drawn to those of a running mean of the network's weights for the
weak ones. The mean is what validation and test use, and what a checkpoint's state_dict has. 64,000
labelled and 200,000 unlabelled images; settings that all methods share are in
configs/_base_/imagenet_views.py.
With BACKBONE=resnet50 before the command, the network is a ResNet-50 instead of a DenseNet-161.
Hardware: 8 GPUs with 80 GB. Expected result: not yet run.
"""

_base_ = ['../../_base_/imagenet_views.py', '../../_base_/{{$BACKBONE:densenet161}}.py']
work_dir = 'work_dirs/{{fileBasenameNoExtension}}_{{$BACKBONE:densenet161}}'
model = dict(head=dict(terms=dict(consistency={{_base_.consistency}})))
train_dataloader = dict(dataset=dict(unlabeled=dict(pipeline={{_base_.view_pipeline}})))
custom_hooks = [{{_base_.teacher}}]
