"""ImageNet with cross-entropy alone.

    tools/dist_train.sh configs/imagenet/methods/imagenet_ce.py 8

The other configs of this folder have the same 512 labelled images per step, and so as many passes
over them. 64,000 labelled images; settings that all methods share are in
configs/_base_/imagenet_views.py.
With BACKBONE=resnet50 before the command, the network is a ResNet-50 instead of a DenseNet-161.
Hardware: 8 GPUs with 80 GB. Expected result: not yet run.
"""

_base_ = ['../../_base_/imagenet_views.py', '../../_base_/{{$BACKBONE:densenet161}}.py']
work_dir = 'work_dirs/{{fileBasenameNoExtension}}_{{$BACKBONE:densenet161}}'
batch_size, micro_batch_size, labeled_ratio = 64, None, 1.0
train_dataloader = dict(
    batch_size=batch_size,
    dataset=dict(unlabeled=None),
    sampler=dict(
        batch_size=batch_size, labeled_ratio=labeled_ratio, micro_batch_size=micro_batch_size
    ),
)
optim_wrapper = dict(micro_batch_size=micro_batch_size)
auto_scale_lr = dict(base_batch_size=512)
