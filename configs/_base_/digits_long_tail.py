# Long-tailed DigitScenes: class 0 has 10 times as many images as class 9, labelled or not.

_base_ = 'digits.py'

imbalance = 10
train_dataloader = dict(
    dataset=dict(labeled=dict(imbalance=imbalance), unlabeled=dict(imbalance=imbalance))
)
val_dataloader = test_dataloader = dict(dataset=dict(imbalance=imbalance))
