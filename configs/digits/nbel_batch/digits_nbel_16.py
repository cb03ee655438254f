"""As digits_nbel_512.py, but with the mean of the NBELs of groups of 16 images.

    python tools/train.py configs/digits/nbel_batch/digits_nbel_16.py

Hardware: a CPU, about 6 minutes with one thread.
Expected: test accuracy 80.2 ± 1.5 % (mean and standard deviation of 3 seeds; docs/nbel.md).
"""

_base_ = 'digits_nbel_512.py'
optim_wrapper = dict(nbel_batch_size=16)
