"""DigitScenes, cross-entropy + consistency under stochastic transformations + MEL + NBEL + locality
penalty.

    python tools/train.py configs/digits/methods/digits_transform_full.py

Hardware: a CPU. Expected: 89.6 ± 0.9 % of the test images right (3 seeds).
"""

_base_ = '../../_base_/digits.py'
model = dict(
    head=dict(
        loss_mel={{_base_.view_mel}},
        loss_nbel={{_base_.view_nbel}},
        loss_locality={{_base_.locality}},
        terms=dict(transform=dict(type='mmsemiloc.TransformConsistencyLoss', loss_weight=2.0)),
    )
)
train_dataloader = dict(dataset=dict(unlabeled=dict(pipeline={{_base_.alike_pipeline}})))
custom_hooks = [
    dict(
        type='mmsemiloc.LossScheduleHook',
        schedule=dict(transform={{_base_.squared_ramp}}, locality={{_base_.ramp}}),
    )
]
