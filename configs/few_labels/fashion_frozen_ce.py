"""Fashion-MNIST with 4 labels per class, frozen features, cross-entropy alone.

    python tools/train.py configs/few_labels/fashion_frozen_ce.py
    python tools/train.py configs/few_labels/fashion_frozen_ce.py \\
        --cfg-options per_class=8 label_seed=1

Hardware: one CPU core, 2 minutes for the features and less than 1 for 100 steps.
Accuracy on the test images: 69.2 % (one run, one draw of the labels, label_seed=0, seed=0).
"""

_base_ = '../_base_/fashion_frozen.py'
