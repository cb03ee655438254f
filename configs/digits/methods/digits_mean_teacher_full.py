"""DigitScenes, cross-entropy + mean teacher + MEL + NBEL + locality penalty.

    python tools/train.py configs/digits/methods/digits_mean_teacher_full.py

Hardware: a CPU. Expected: 93.1 ± 0.7 % of the test images right (3 seeds).
"""

_base_ = '../../_base_/digits.py'
model = dict(
    head=dict(
        loss_mel={{_base_.view_mel}},
        loss_nbel={{_base_.view_nbel}},
        loss_locality={{_base_.locality}},
        terms=dict(
            consistency=dict(type='mmsemiloc.SoftConsistencyLoss', distance='mse', loss_weight=10.0)
        ),
    )
)
train_dataloader = dict(dataset=dict(unlabeled=dict(pipeline={{_base_.view_pipeline}})))
custom_hooks = [
    dict(type='mmsemiloc.MeanTeacherHook', momentum=0.01),
    dict(
        type='mmsemiloc.LossScheduleHook',
        schedule=dict(
            consistency={{_base_.squared_ramp}},
            mel={{_base_.ramp}},
            nbel={{_base_.ramp}},
            locality={{_base_.ramp}},
        ),
    ),
]
