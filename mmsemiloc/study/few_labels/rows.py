"""The methods that are compared, each with the same number of settings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from mmsemiloc.few_labels.settings import (
    LONG,
    SHORT,
    THRESHOLDS,
    WEIGHTS,
    Linear,
    Start,
    from_starts,
    penalties,
    term,
)
from mmsemiloc.study.few_labels.outsiders import LabelSpread, LinearSVM, Outsider, SelfTraining

NUMBER_OF_SETTINGS = 6  # of each method; where nothing can be held out the first is taken
# A method that has weights of its own is tried with three of them and two starts; one that has
# none, with six starts.
STARTS = (SHORT, LONG, Start(12, 1e-3), Start(12, 1e-2), Start(3, 1e-2), Start(3, 1e-1))


Setting = Linear | Outsider


@dataclass(frozen=True)
class Row:
    """A method.

    Attributes:
        settings: Its settings by name.
        maps: Whether it reads maps.
    """

    settings: Mapping[str, Setting]
    maps: bool = False


def both(prior: Sequence[float] | None = None) -> Row:
    """CE + MEL + NBEL, with equal class shares or a prior."""
    kinds = {f'alpha {a:g}, beta {b:g}': penalties(a, b, prior) for a, b in WEIGHTS}
    return Row(from_starts(kinds))


def one_penalty(name: str, weights: Sequence[float]) -> Row:
    """CE + MEL, or CE + NBEL."""
    return Row(from_starts({f'weight {w:g}': {name: penalties(w, w)[name]} for w in weights}))


def fixmatch(alignment: dict | None = None) -> Row:
    """CE + FixMatch."""
    kinds = {
        f'threshold {t:g}': term('FixMatchLoss', 1, threshold=t, alignment=alignment)
        for t in (0.8, 0.5, 0.95)
    }
    return Row(from_starts(kinds, views=True))


def fixmatch_and_penalties() -> Row:
    """CE + FixMatch + MEL + NBEL."""
    kinds = {
        f'threshold {t:g}, alpha {a:g}, beta {b:g}': {
            **penalties(a, b),
            **term('FixMatchLoss', 1, threshold=t),
        }
        for t, a, b in THRESHOLDS
    }
    return Row(from_starts(kinds, views=True))


def fixmatch_and_fairness() -> Row:
    """CE + FixMatch + FreeMatch's fairness term."""
    kinds = {
        f'threshold {t:g}, weight {w:g}': {
            **term('FixMatchLoss', 1, threshold=t),
            **term('SelfAdaptiveFairnessLoss', w, threshold=t),
        }
        for t, w in ((0.8, 0.05), (0.8, 0.5), (0.95, 0.05))
    }
    return Row(from_starts(kinds, views=True))


def mean_teacher() -> Row:
    """CE + consistency with a mean teacher."""
    kinds = {f'weight {w:g}': term('SoftConsistencyLoss', w, distance='mse') for w in (10, 3, 30)}
    return Row(from_starts(kinds, views=True, teacher=0.1))


def locality() -> Row:
    """CE + MEL + NBEL + Loc."""
    kinds = {
        f'gamma {g:g}': {**penalties(0.3, 1), **term('LocalityLoss', g, scale_free=True)}
        for g in (0.3, 0.1, 1)
    }
    return Row(from_starts(kinds), maps=True)


def pseudo_labels() -> Row:
    """CE + pseudo-labels."""
    thresholds = (0.8, 0.5, 0.95)
    kinds = {f'threshold {t:g}': term('PseudoLabelLoss', 1, threshold=t) for t in thresholds}
    return Row(from_starts(kinds))


def rows() -> dict[str, Row]:
    """All methods that need no class shares, by name."""
    return {
        'CE': Row(from_starts({'': {}}, STARTS)),
        'CE + MEL': one_penalty('mel', (0.3, 0.1, 1)),
        'CE + NBEL': one_penalty('nbel', (1, 0.3, 3)),
        'CE + MEL + NBEL': both(),
        'CE + MEL + NBEL + Loc': locality(),
        "TIM's weights": Row(from_starts({'': penalties(1, 10)}, STARTS)),
        'pseudo-labels': pseudo_labels(),
        'FixMatch': fixmatch(),
        'FixMatch, aligned': fixmatch(alignment={}),
        'FixMatch + fairness': fixmatch_and_fairness(),
        'mean teacher': mean_teacher(),
        'FixMatch + MEL + NBEL': fixmatch_and_penalties(),
        'label spreading': Row(
            {
                f'{neighbours} neighbours, alpha {alpha:g}': LabelSpread(neighbours, alpha)
                for neighbours, alpha in product((10, 5, 20), (0.2, 0.8))
            }
        ),
        'self-training': Row(
            {
                f'threshold {threshold:g}, C {c:g}': SelfTraining(threshold, c)
                for threshold, c in product((0.8, 0.6, 0.95), (10, 1))
            }
        ),
        'linear SVM': Row({f'C {c:g}': LinearSVM(c) for c in (1, 0.01, 0.1, 0.3, 3, 10)}),
    }
