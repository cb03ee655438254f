# Fine-tuning of a pretrained network with few labels: all layers, 300 steps. Nothing here was
# tuned; the weights of MEL and NBEL are those beside views on DigitScenes (docs/comparison.md).

_base_ = 'runtime.py'

steps = 300

# The classifier is new, so the penalties join when it has learned from the labels. `begin` and
# `end` are shares of the run.
ramp = dict(begin=1 / 6, end=1 / 2)
mel = dict(type='mmsemiloc.MeanEntropyLoss', loss_weight=0.3, schedule=ramp)
nbel = dict(type='mmsemiloc.NegativeBatchEntropyLoss', loss_weight=1.0, schedule=ramp)
locality = dict(type='mmsemiloc.LocalityLoss', loss_weight=0.1, scale_free=True, schedule=ramp)
fixmatch = dict(type='mmsemiloc.FixMatchLoss', threshold=0.8)

optim_wrapper = dict(
    type='mmsemiloc.AccumOptimWrapper',
    micro_batch_size=None,
    optimizer=dict(type='SGD', lr=0.01, momentum=0.9, nesterov=True, weight_decay=1e-4),
    # The linear layer, which is new, has ten times the learning rate.
    paramwise_cfg=dict(custom_keys=dict(head=dict(lr_mult=10.0))),
)
param_scheduler = [
    dict(type='LinearLR', by_epoch=False, start_factor=0.01, begin=0, end=steps // 10),
    dict(
        type='CosineAnnealingLR',
        by_epoch=False,
        begin=steps // 10,
        end=steps,
        T_max=steps - steps // 10,
    ),
]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=steps, val_interval=steps)
val_cfg = dict()
test_cfg = dict()
default_hooks = dict(
    logger=dict(interval=10),
    checkpoint=dict(by_epoch=False, interval=steps // 5, max_keep_ckpts=2),
    health=dict(interval=50),
)
log_processor = dict(by_epoch=False, window_size=50)
