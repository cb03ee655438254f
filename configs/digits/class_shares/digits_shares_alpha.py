"""DigitScenes with balanced labelled and long-tailed unlabelled and test images, cross-entropy +
MEL + NBEL with entropies of order 2 and no prior (alpha-TIM, Veilleux et al. 2021).

    python tools/train.py configs/digits/class_shares/digits_shares_alpha.py

Hardware: a CPU, about 5 minutes with one thread.
Expected: docs/class_shares.md.
"""

_base_ = 'digits_shares_uniform.py'
divergence_alpha = 2.0
model = dict(
    head=dict(
        loss_mel=dict(divergence_alpha=divergence_alpha),
        loss_nbel=dict(divergence_alpha=divergence_alpha),
    )
)
