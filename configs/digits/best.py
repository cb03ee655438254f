"""DigitScenes, the recipe of the highest accuracy so far: soft consistency with a mean teacher + MEL + NBEL + locality penalty.

    python tools/train.py configs/digits/best.py

The teacher's prediction of the weak view is the target of the strong one, as it is, without a threshold and not sharpened; MEL
and NBEL are to keep such targets from becoming doubtful or all alike. Not settled: as accurate as FixMatch + MEL + NBEL + Loc
on the validation split (one seed), and its class activation maps do not find the object (docs/comparison.md).
Hardware: a CPU, about 9 minutes with one thread, beside other work. Expected: not yet run on the test split.
"""
_base_ = '../_base_/digits.py'
model = dict(
    head=dict(
        loss_mel={{_base_.view_mel}},
        loss_nbel={{_base_.view_nbel}},
        loss_locality={{_base_.locality}},
        terms=dict(consistency=dict(type='mmsemiloc.SoftConsistencyLoss'))))
train_dataloader = dict(dataset=dict(unlabeled=dict(pipeline={{_base_.view_pipeline}})))
custom_hooks = [
    dict(type='mmsemiloc.SemiSupSetupHook'),
    dict(type='mmsemiloc.HealthHook', interval=100),
    dict(type='mmsemiloc.MeanTeacherHook', momentum=0.01),
    dict(type='mmsemiloc.LossScheduleHook', schedule=dict(consistency={{_base_.view_ramp}}, locality={{_base_.ramp}})),
]
