"""DigitScenes, cross-entropy with the labels of all 4,000 images, as many per step as the methods
with two views: their ceiling.

    python tools/train.py configs/digits/methods/digits_all_labels_96.py

Hardware: a CPU. Expected: test accuracy 96.1 ± 0.3 % (3 seeds).
"""

_base_ = '../../_base_/digits.py'
num_labeled, batch_size, labeled_ratio = 4000, 96, 1.0
train_dataloader = dict(
    batch_size=batch_size,
    dataset=dict(labeled=dict(num_images=num_labeled), unlabeled=None),
    sampler=dict(batch_size=batch_size, labeled_ratio=labeled_ratio),
)
