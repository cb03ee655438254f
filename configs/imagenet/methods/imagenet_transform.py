"""ImageNet with stochastic transformations (Sajjadi et al. 2016).

    tools/dist_train.sh configs/imagenet/methods/imagenet_transform.py 8

Predictions of two weak views of each unlabelled image are drawn to each other. 64,000 labelled and
200,000 unlabelled images; settings that all methods share are in configs/_base_/imagenet_views.py.
With BACKBONE=resnet50 before the command, the network is a ResNet-50 instead of a DenseNet-161.
Hardware: 8 GPUs with 80 GB. Expected result: not yet run.
"""

_base_ = ['../../_base_/imagenet_views.py', '../../_base_/{{$BACKBONE:densenet161}}.py']
work_dir = 'work_dirs/{{fileBasenameNoExtension}}_{{$BACKBONE:densenet161}}'
model = dict(head=dict(terms=dict(transform={{_base_.transform}})))
train_dataloader = dict(dataset=dict(unlabeled=dict(pipeline={{_base_.two_weak_pipeline}})))
