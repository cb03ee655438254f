"""ResNet-50 on ImageNet with cross-entropy alone.

    tools/dist_train.sh configs/imagenet/methods/resnet50_ce.py 8

The other configs of this folder have the same 512 labelled images a step, and so as many passes over them.
64,000 labelled images; settings that all methods share are in configs/_base_/imagenet_views.py.
Hardware: 8 GPUs with 80 GB. Expected result: not yet run.
"""
_base_ = ['../../_base_/imagenet_views.py', '../../_base_/resnet50.py']
train_dataloader = dict(
    batch_size=64,
    dataset=dict(unlabeled=None),
    sampler=dict(batch_size=64, labeled_ratio=1.0, micro_batch_size=None))
optim_wrapper = dict(micro_batch_size=None)
auto_scale_lr = dict(base_batch_size=512)
