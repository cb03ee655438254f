r"""Cross-entropy on the labelled images alone: the first rung below
configs/densenet_mel_nbel_loc.py.

    tools/dist_train.sh configs/imagenet/densenet_ce.py 8

As many steps as the whole method, and as many labelled images per step: 1,248 on 8 GPUs.
Hardware: 8 GPUs. Expected result: not yet run (42.0 % top-1 in the paper).
"""

_base_ = '../densenet_mel_nbel_loc.py'
batch_size, micro_batch_size, labeled_ratio = 156, 39, 1.0
model = dict(head=dict(loss_mel=None, loss_nbel=None, loss_locality=None))
train_dataloader = dict(
    batch_size=batch_size,
    dataset=dict(unlabeled=None),
    sampler=dict(
        batch_size=batch_size,
        micro_batch_size=micro_batch_size,
        labeled_ratio=labeled_ratio,
        epoch_length=148,
    ),
)
optim_wrapper = dict(micro_batch_size=micro_batch_size)
