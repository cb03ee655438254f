"""Fashion-MNIST with 4 labels per class, frozen features, cross-entropy alone.

    python tools/train.py configs/few_labels/fashion_frozen_ce.py
    python tools/train.py configs/few_labels/fashion_frozen_ce.py \\
        --cfg-options per_class=8 label_seed=1

Hardware: CPU. Expected: not yet run.
"""

_base_ = '../_base_/fashion_frozen.py'
