"""The settings that ``fit`` compares by cross-validation."""

from collections.abc import Sequence

from mmsemiloc.few_labels.whole_set_loss import Method

RAMP = dict(end=0.3)  # the penalties rise over the first steps, while the classifier finds its feet
# alpha and beta; where there are few labels, beta is several times alpha.
WEIGHTS = ((0.1, 0.3), (0.3, 1.0), (0.3, 3.0), (1.0, 3.0))
THRESHOLDS = (0.5, 0.8, 0.95)


def penalties(alpha: float, beta: float, prior: Sequence[float] | None = None) -> dict[str, dict]:
    """MEL and NBEL, as terms of ``CAMClsHead``."""
    return dict(
        mel=dict(type='mmsemiloc.MeanEntropyLoss', loss_weight=alpha, schedule=RAMP),
        nbel=dict(
            type='mmsemiloc.NegativeBatchEntropyLoss', loss_weight=beta, prior=prior, schedule=RAMP
        ),
    )


def candidates(counts: Sequence[int], views: bool) -> dict[str, Method]:
    """The settings by their names.

    Args:
        counts: Labelled images of each class. If they differ, the settings come once with equal
            class shares and once with those of the labelled images.
        views: Whether there are strong views, for FixMatch.
    """
    methods = {'CE': Method()}
    priors: dict[str, Sequence[float] | None] = {'': None}
    if len(set(counts)) > 1:
        priors[', shares of the labels'] = [count + 1.0 for count in counts]

    for text, prior in priors.items():
        for alpha, beta in WEIGHTS:
            name = f'CE + {alpha:g} MEL + {beta:g} NBEL{text}'
            methods[name] = Method(penalties(alpha, beta, prior))

        for threshold in THRESHOLDS if views else ():
            fixmatch = dict(type='mmsemiloc.FixMatchLoss', threshold=threshold, schedule=RAMP)
            terms = {**penalties(0.3, 1.0, prior), 'fixmatch': fixmatch}
            name = f'CE + 0.3 MEL + 1 NBEL + FixMatch above {threshold:g}{text}'
            methods[name] = Method(terms, views=True)
    return methods
