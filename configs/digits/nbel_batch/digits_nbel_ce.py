"""As digits_nbel_512.py, but cross-entropy on its 128 labelled images per step alone.

    python tools/train.py configs/digits/nbel_batch/digits_nbel_ce.py

Hardware: a CPU, about 1 minute with one thread.
Expected: test accuracy 78.3 ± 2.6 % (mean and standard deviation of 3 seeds; docs/nbel.md).
"""

_base_ = 'digits_nbel_512.py'
model = dict(head=dict(loss_mel=None, loss_nbel=None))
batch_size, labeled_ratio = 128, 1.0
train_dataloader = dict(
    batch_size=batch_size, sampler=dict(batch_size=batch_size, labeled_ratio=labeled_ratio)
)
