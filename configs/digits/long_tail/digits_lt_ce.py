"""Long-tailed DigitScenes, cross-entropy on the labelled images alone.

    python tools/train.py configs/digits/long_tail/digits_lt_ce.py

Hardware: a CPU, about 3 minutes with one thread.
Expected: test accuracy 81.9 ± 0.2 %, mean recall 68.7 ± 0.5 % (mean and standard
deviation of 3 seeds).
"""

_base_ = '../digits_ce.py'
imbalance = 10  # class 0 has 10 times as many images as class 9, labelled or not
train_dataloader = dict(
    dataset=dict(labeled=dict(imbalance=imbalance), unlabeled=dict(imbalance=imbalance))
)
val_dataloader = test_dataloader = dict(dataset=dict(imbalance=imbalance))
