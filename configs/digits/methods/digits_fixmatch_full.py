"""DigitScenes, cross-entropy + FixMatch + MEL + NBEL + locality penalty.

    python tools/train.py configs/digits/methods/digits_fixmatch_full.py

Hardware: a CPU. Expected: 92.7 ± 0.9 % of the test images right (3 seeds).
"""

_base_ = '../../_base_/digits.py'
model = dict(
    head=dict(
        loss_mel={{_base_.view_mel}},
        loss_nbel={{_base_.view_nbel}},
        loss_locality={{_base_.locality}},
        terms=dict(fixmatch=dict(type='mmsemiloc.FixMatchLoss', threshold=0.8)),
    )
)
train_dataloader = dict(dataset=dict(unlabeled=dict(pipeline={{_base_.view_pipeline}})))
custom_hooks = [dict(type='mmsemiloc.LossScheduleHook', schedule=dict(locality={{_base_.ramp}}))]
