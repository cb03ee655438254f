"""ImageNet with pseudo-labels (Lee 2013).

    tools/dist_train.sh configs/imagenet/methods/imagenet_pseudo_label.py 8

The most probable class of each unlabelled image is its label; the weight of the term rises from 0
to 3 between 10 % and 60 % of the run. 64,000 labelled and 200,000 unlabelled images; settings that
all methods share are in configs/_base_/imagenet_views.py.
With BACKBONE=resnet50 before the command, the network is a ResNet-50 instead of a DenseNet-161.
Hardware: 8 GPUs with 80 GB. Expected result: not yet run.
"""

_base_ = ['../../_base_/imagenet_views.py', '../../_base_/{{$BACKBONE:densenet161}}.py']
work_dir = 'work_dirs/{{fileBasenameNoExtension}}_{{$BACKBONE:densenet161}}'
model = dict(head=dict(terms=dict(pseudo_label={{_base_.pseudo_label}})))
