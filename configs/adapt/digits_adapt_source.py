"""Adaptation of a DigitScenes model to faint digits, the baseline: the source model as it is.

    python tools/train.py configs/adapt/digits_adapt_source.py --cfg-options load_from=FILE

One step with a learning rate of 0 and everything at rest that has statistics, so that studies and
tables have the row. Hardware: a CPU, seconds. Expected: docs/adaptation.md.
"""

_base_ = '../_base_/digits_adapt.py'
steps = 1
model = dict(frozen=['backbone'])
optim_wrapper = dict(optimizer=dict(lr=0.0))
train_dataloader = dict(sampler=dict(epoch_length=steps))
param_scheduler = dict(_delete_=True, type='ConstantLR', by_epoch=False, factor=1.0)
train_cfg = dict(max_iters=steps, val_interval=steps)
default_hooks = dict(checkpoint=dict(interval=steps // 5))
