"""DigitScenes, cross-entropy + mean teacher.

    python tools/train.py configs/digits/methods/digits_mean_teacher.py

Hardware: a CPU. Expected: 92.8 ± 0.8 % of the test images right (3 seeds).
"""

_base_ = '../../_base_/digits.py'
model = dict(
    head=dict(
        terms=dict(
            consistency=dict(type='mmsemiloc.SoftConsistencyLoss', distance='mse', loss_weight=10.0)
        )
    )
)
train_dataloader = dict(dataset=dict(unlabeled=dict(pipeline={{_base_.view_pipeline}})))
custom_hooks = [
    dict(type='mmsemiloc.MeanTeacherHook', momentum=0.01),
    dict(type='mmsemiloc.LossScheduleHook', schedule=dict(consistency={{_base_.squared_ramp}})),
]
