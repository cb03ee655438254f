"""Settings of linear classifiers, and those that ``fit`` compares by cross-validation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from mmsemiloc.few_labels.solver import Solver
from mmsemiloc.few_labels.whole_set_loss import Method

RAMP = dict(end=0.3)  # the penalties rise over the first steps, while the classifier finds its feet
# alpha and beta; where there are few labels, beta is several times alpha.
WEIGHTS = ((0.3, 1), (1, 3), (0.3, 3))
# Threshold of FixMatch, alpha and beta.
THRESHOLDS = ((0.8, 0.3, 1), (0.8, 1, 3), (0.95, 0.3, 1))

Terms = Mapping[str, dict]


@dataclass(frozen=True)
class Start:
    """How far a classifier is from the class means, at the start and afterwards.

    Attributes:
        scale: Norm of the weight of each class at the start.
        decay: Weight of the squared distance from the start.
    """

    scale: float
    decay: float


SHORT, LONG = Start(12, 1e-4), Start(3, 1e-3)


@dataclass(frozen=True)
class Linear:
    """A setting of a linear classifier.

    Attributes:
        method: Its loss.
        solver: How it is trained.
    """

    method: Method
    solver: Solver


def penalties(alpha: float, beta: float, prior: Sequence[float] | None = None) -> dict[str, dict]:
    """MEL and NBEL, as terms of ``CAMClsHead``."""
    return dict(
        mel=dict(type='mmsemiloc.MeanEntropyLoss', loss_weight=alpha, schedule=RAMP),
        nbel=dict(
            type='mmsemiloc.NegativeBatchEntropyLoss', loss_weight=beta, prior=prior, schedule=RAMP
        ),
    )


def term(kind: str, weight: float, **options: object) -> dict[str, dict]:
    """A registered term whose weight rises as those of the penalties do."""
    cfg = dict(type=f'mmsemiloc.{kind}', loss_weight=weight, schedule=RAMP, **options)
    return {kind.removesuffix('Loss').lower(): cfg}


def from_starts(
    kinds: Mapping[str, Terms],
    starts: Sequence[Start] = (SHORT, LONG),
    views: bool = False,
    teacher: float | None = None,
) -> dict[str, Linear]:
    """Terms from several starts, each under a name that says both.

    Args:
        kinds: Terms by name.
        starts: The starts.
        views: Whether strong views take part.
        teacher: See :class:`Method`.
    """
    settings = {}
    for (name, terms), start in product(kinds.items(), starts):
        method = Method(terms, start.decay, views, teacher)
        parts = [name, f'start {start.scale:g}', f'decay {start.decay:g}']
        settings[', '.join(filter(None, parts))] = Linear(method, Solver(scale=start.scale))
    return settings


def candidates(counts: Sequence[int], views: bool) -> dict[str, Linear]:
    """The settings of ``fit`` by their names.

    Args:
        counts: Labelled images of each class. If they differ, the settings come once with equal
            class shares and once with those of the labelled images.
        views: Whether there are strong views, for FixMatch.
    """
    settings = from_starts({'CE': {}})
    priors: dict[str, Sequence[float] | None] = {'': None}
    if len(set(counts)) > 1:
        priors[', shares of the labels'] = [count + 1.0 for count in counts]

    for text, prior in priors.items():
        kinds = {f'CE + {a:g} MEL + {b:g} NBEL{text}': penalties(a, b, prior) for a, b in WEIGHTS}
        settings |= from_starts(kinds)
        if views:
            kinds = {
                f'CE + {a:g} MEL + {b:g} NBEL + FixMatch above {threshold:g}{text}': {
                    **penalties(a, b, prior),
                    **term('FixMatchLoss', 1, threshold=threshold),
                }
                for threshold, a, b in THRESHOLDS
            }
            settings |= from_starts(kinds, views=True)
    return settings
