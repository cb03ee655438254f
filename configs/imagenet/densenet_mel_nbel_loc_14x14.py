r"""The paper's method on ImageNet with class activation maps of 14x14 instead of 7x7 places at 224
pixels.

    tools/dist_train.sh configs/imagenet/densenet_mel_nbel_loc_14x14.py 8

As configs/densenet_mel_nbel_loc.py, but the last transition of DenseNet-161 does not pool, and the
last block is dilated instead; the parameters are the same. The paper tried 14x14 maps too, taken
before the last transition. A forward pass takes 1.18 times the operations, and the activations 1.22
times the memory, counted for one image. gamma is half of that for 7x7: from a single place to a
flat map, the scale-free penalty rises twice as much at 14x14.
Hardware: 8 GPUs. Expected result: not yet run.
"""

_base_ = '../densenet_mel_nbel_loc.py'
model = dict(
    backbone=dict(type='mmsemiloc.DilatedDenseNet', output_stride=16),
    head=dict(loss_locality=dict(loss_weight=0.05)),
)
