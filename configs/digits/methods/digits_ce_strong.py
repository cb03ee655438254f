"""DigitScenes, cross-entropy on the labelled images alone, augmented like the strong views of the
other methods.

    python tools/train.py configs/digits/methods/digits_ce_strong.py

Hardware: a CPU. Expected: not yet run.
"""

_base_ = '../../_base_/digits.py'
batch_size, labeled_ratio = 32, 1.0
train_dataloader = dict(
    batch_size=batch_size,
    dataset=dict(labeled=dict(pipeline={{_base_.strong_pipeline}})),
    sampler=dict(batch_size=batch_size, labeled_ratio=labeled_ratio),
)
