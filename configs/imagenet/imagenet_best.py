"""DenseNet-161 on ImageNet with the recipe of configs/digits/best.py, which is not settled (docs/comparison.md).

    tools/dist_train.sh configs/imagenet/imagenet_best.py 8

Soft consistency with a mean teacher + MEL + NBEL + locality penalty: the teacher's prediction of the weak view is the target of
the strong one, without a threshold. The teacher looks back over 1,000 of the 60,000 steps (on DigitScenes 100 of 3,000).
64,000 labelled and 200,000 unlabelled images; settings that all methods share are in configs/_base_/imagenet_views.py.
Hardware: 8 GPUs with 80 GB. Expected result: not yet run.
"""
_base_ = ['../_base_/imagenet_views.py', '../_base_/densenet161.py']
model = dict(
    head=dict(
        loss_mel=dict(type='mmsemiloc.MeanEntropyLoss', loss_weight=0.3),
        loss_nbel=dict(type='mmsemiloc.NegativeBatchEntropyLoss', loss_weight=1.0),
        loss_locality=dict(type='mmsemiloc.LocalityLoss', loss_weight=0.3, scale_free=True),
        terms=dict(consistency=dict(type='mmsemiloc.SoftConsistencyLoss'))))
train_dataloader = dict(dataset=dict(unlabeled=dict(pipeline={{_base_.view_pipeline}})))
custom_hooks = [
    dict(type='mmsemiloc.SemiSupSetupHook'),
    dict(type='mmsemiloc.HealthHook', interval=100),
    dict(type='mmsemiloc.MeanTeacherHook', momentum=0.001),
    dict(type='mmsemiloc.LossScheduleHook', schedule=dict(consistency=dict(begin=0, end=30000))),  # half of the steps
]
