"""Long-tailed DigitScenes, cross-entropy on labelled images that are drawn class by class.

    python tools/train.py configs/digits/long_tail/digits_lt_ce_balanced.py

Hardware: a CPU, about 3 minutes with one thread.
Expected: test accuracy 79.5 ± 1.5 %, mean recall 64.6 ± 1.7 % (mean and standard
deviation of 3 seeds).
"""

_base_ = '../digits_ce.py'
imbalance = 10  # class 0 has 10 times as many images as class 9, labelled or not
train_dataloader = dict(
    dataset=dict(labeled=dict(imbalance=imbalance), unlabeled=dict(imbalance=imbalance)),
    sampler=dict(class_balanced=True),
)
val_dataloader = test_dataloader = dict(dataset=dict(imbalance=imbalance))
