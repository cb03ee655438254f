"""As digits_nbel_512.py, but NBEL reads the momentum mean of micro-batches, which looks back over
about 512 images.

    python tools/train.py configs/digits/nbel_batch/digits_nbel_ema.py

Hardware: a CPU, about 6 minutes with one thread.
Expected: test accuracy 81.0 ± 1.7 % (mean and standard deviation of 3 seeds; docs/nbel.md).
"""

_base_ = 'digits_nbel_512.py'
model = dict(head=dict(loss_nbel=dict(estimator='ema', momentum=2 * 8 / 512)))
