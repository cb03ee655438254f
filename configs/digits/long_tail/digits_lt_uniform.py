"""Long-tailed DigitScenes, cross-entropy + MEL + NBEL that expects all classes equally often.

    python tools/train.py configs/digits/long_tail/digits_lt_uniform.py

Hardware: a CPU, about 5 minutes with one thread.
Expected: test accuracy 80.8 ± 0.8 %, mean recall 71.8 ± 1.8 % (mean and standard
deviation of 3 seeds).
"""

_base_ = '../digits_ce_mel_nbel.py'
imbalance = 10  # class 0 has 10 times as many images as class 9, labelled or not
train_dataloader = dict(
    dataset=dict(labeled=dict(imbalance=imbalance), unlabeled=dict(imbalance=imbalance))
)
val_dataloader = test_dataloader = dict(dataset=dict(imbalance=imbalance))
