"""Long-tailed DigitScenes, cross-entropy + MEL + NBEL that expects the classes as often as they are
labelled.

    python tools/train.py configs/digits/long_tail/digits_lt_labeled.py

Hardware: a CPU, about 5 minutes with one thread.
Expected: test accuracy 84.0 ± 0.6 %, mean recall 71.0 ± 1.1 % (mean and standard
deviation of 3 seeds).
"""

_base_ = '../digits_ce_mel_nbel.py'
imbalance = 10  # class 0 has 10 times as many images as class 9, labelled or not
train_dataloader = dict(
    dataset=dict(labeled=dict(imbalance=imbalance), unlabeled=dict(imbalance=imbalance))
)
val_dataloader = test_dataloader = dict(dataset=dict(imbalance=imbalance))
model = dict(head=dict(loss_nbel=dict(prior='labeled')))
