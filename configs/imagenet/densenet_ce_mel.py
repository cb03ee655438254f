r"""Cross-entropy and MEL, from the first step on: the second rung below
configs/densenet_mel_nbel_loc.py.

    tools/dist_train.sh configs/imagenet/densenet_ce_mel.py 8

Same images and steps as the whole method. Hardware: 8 GPUs. Expected result: not yet run.
"""

_base_ = '../densenet_mel_nbel_loc.py'
model = dict(head=dict(loss_nbel=None, loss_locality=None))
