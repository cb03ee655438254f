r"""The unsupervised losses alone, MEL + NBEL + locality penalty without any label: an
initialisation to compare with.

    tools/dist_train.sh configs/imagenet/densenet_unsupervised.py 8

As many images and steps as configs/densenet_mel_nbel_loc.py, all of them unlabelled, and all terms
from the first step on, since MEL alone is smallest if every image gets the same class. Validation
accuracy stays at chance: nothing names the classes.
Hardware: 8 GPUs. Expected result: not yet run.
"""

_base_ = '../densenet_mel_nbel_loc.py'
labeled_ratio = 0.0
train_dataloader = dict(sampler=dict(labeled_ratio=labeled_ratio))
# From the first step on.
model = dict(head=dict(loss_nbel=dict(schedule=None), loss_locality=dict(schedule=None)))
