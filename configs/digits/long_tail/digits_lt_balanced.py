"""Long-tailed DigitScenes, cross-entropy + MEL + NBEL, with the labelled images drawn class by
class, and a prior to match.

    python tools/train.py configs/digits/long_tail/digits_lt_balanced.py

Hardware: a CPU, about 5 minutes with one thread.
Expected: test accuracy 81.2 ± 0.7 %, mean recall 65.8 ± 1.6 % (mean and standard
deviation of 3 seeds).
"""

_base_ = 'digits_lt_uniform.py'
train_dataloader = dict(sampler=dict(class_balanced=True))

# Half of a batch is labelled, with as many images of each class; the other half is as the
# unlabelled images are.
shares = [10 ** (-label / 9) for label in range(10)]
model = dict(
    head=dict(loss_nbel=dict(prior=[0.5 / 10 + 0.5 * share / sum(shares) for share in shares]))
)
