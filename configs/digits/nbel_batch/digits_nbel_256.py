"""As digits_nbel_512.py, but with the mean of the NBELs of groups of 256 images.

    python tools/train.py configs/digits/nbel_batch/digits_nbel_256.py

Hardware: a CPU, about 7 minutes with one thread.
Expected: test accuracy 80.4 ± 1.8 % (mean and standard deviation of 3 seeds; docs/nbel.md).
"""

_base_ = 'digits_nbel_512.py'
optim_wrapper = dict(nbel_batch_size=256)
