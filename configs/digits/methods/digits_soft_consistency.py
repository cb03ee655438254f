"""DigitScenes, cross-entropy + soft consistency with a mean teacher (divergence of the
predictions).

    python tools/train.py configs/digits/methods/digits_soft_consistency.py

Hardware: a CPU. Expected: not yet run.
"""

_base_ = '../../_base_/digits.py'
model = dict(head=dict(terms=dict(consistency={{_base_.consistency}})))
train_dataloader = dict(dataset=dict(unlabeled=dict(pipeline={{_base_.view_pipeline}})))
custom_hooks = [{{_base_.teacher}}]
