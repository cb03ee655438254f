"""DigitScenes, cross-entropy with the labels of all 4,000 images: the ceiling.

    python tools/train.py configs/digits/digits_all_labels.py

As many images per step as the full loss. Hardware: a CPU, about 5 minutes with one thread.
Expected: test accuracy 95.9 ± 0.1 % (mean and standard deviation of 3 seeds).
"""

_base_ = '../_base_/digits.py'
num_labeled, labeled_ratio = 4000, 1.0
train_dataloader = dict(
    dataset=dict(labeled=dict(num_images=num_labeled), unlabeled=None),
    sampler=dict(labeled_ratio=labeled_ratio),
)
