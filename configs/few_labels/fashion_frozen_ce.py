"""Fashion-MNIST with 4 labels per class, frozen features, cross-entropy alone.

    python tools/train.py configs/few_labels/fashion_frozen_ce.py
    python tools/train.py configs/few_labels/fashion_frozen_ce.py \\
        --cfg-options per_class=8 label_seed=1

Hardware: one CPU core; its time is in docs/few_labels.md.
Accuracy on the test images: 69.2 % (one run, one draw of the labels, label_seed=0, seed=0).
"""

_base_ = '../_base_/fashion_frozen.py'
