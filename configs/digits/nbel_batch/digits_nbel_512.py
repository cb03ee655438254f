"""DigitScenes, CE + MEL + NBEL, 512 images per step in micro-batches of 8: exact NBEL.

    python tools/train.py configs/digits/nbel_batch/digits_nbel_512.py

The other configs of this folder differ in one thing: over how many images NBEL takes the mean
prediction.
Hardware: a CPU, about 7 minutes with one thread.
Expected: test accuracy 80.0 ± 1.4 % (mean and standard deviation of 3 seeds; docs/nbel.md).
"""

_base_ = '../../_base_/digits.py'
steps = 300
batch_size, micro_batch_size = 512, 8
labeled_ratio = 0.25  # 2 labelled beside 6 unlabelled in each micro-batch

model = dict(head=dict(loss_mel={{_base_.mel}}, loss_nbel={{_base_.nbel}}))
train_dataloader = dict(
    batch_size=batch_size,
    sampler=dict(
        batch_size=batch_size,
        micro_batch_size=micro_batch_size,
        labeled_ratio=labeled_ratio,
        epoch_length=steps,
    ),
)
optim_wrapper = dict(micro_batch_size=micro_batch_size, optimizer=dict(lr=0.2))
param_scheduler = dict(milestones=[steps * 3 // 4, steps * 9 // 10])
train_cfg = dict(max_iters=steps, val_interval=steps)
default_hooks = dict(
    checkpoint=dict(interval=steps // 5), logger=dict(interval=10), health=dict(interval=10)
)
log_processor = dict(window_size=10)
