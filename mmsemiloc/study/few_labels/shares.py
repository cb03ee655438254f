"""Class shares of a draw's unlabelled images: the true ones, and what labels say of them."""

import numpy as np
import torch

from mmsemiloc.few_labels.selection import train_sets
from mmsemiloc.few_labels.settings import Linear
from mmsemiloc.few_labels.solver import Solver
from mmsemiloc.few_labels.whole_set_loss import Method
from mmsemiloc.models.class_shares import smoothed_shares
from mmsemiloc.study.class_shares import Fold, bbse_of_folds, em_of_folds
from mmsemiloc.study.few_labels.draw import Draw
from mmsemiloc.study.few_labels.rows import Row, both

RIDGE = 0.01  # a few labels hardly tell some classes apart


def share_rows(draw: Draw, true_shares: np.ndarray) -> dict[str, Row]:
    """CE + MEL + NBEL with class shares as prior, by where these come from.

    Args:
        draw: The images, of which some can be held out.
        true_shares: Those of the training images (C,), which no method knows.
    """
    counts = np.bincount(draw.labeled.labels, minlength=draw.labeled.num_classes)
    found = {'true shares': true_shares}
    if len(set(counts.tolist())) > 1:
        found['shares of the labels'] = smoothed_shares(counts)
    if draw.fold is not None:
        folds = fold_predictions(draw)
        found['shares by EM'] = em_of_folds(folds, counts.astype(float))[0]
        found['shares by BBSE'] = bbse_of_folds(folds, RIDGE)
    return {f'CE + MEL + NBEL, {name}': both(values.tolist()) for name, values in found.items()}


def fold_predictions(draw: Draw) -> list[Fold]:
    """What a classifier of cross-entropy alone predicts for each fold that it does not know."""
    assert draw.fold is not None
    numbers, labeled = np.unique(draw.fold), draw.labeled
    sets = [np.flatnonzero(draw.fold != number) for number in numbers]
    heads = train_sets(draw.train, labeled, sets, Linear(Method(), Solver()))
    probs = heads.logits(draw.train[0]).softmax(2).double().numpy()

    others = torch.ones(len(draw.train[0]), dtype=torch.bool)
    others[torch.from_numpy(labeled.places)] = False
    return [
        Fold(
            mine[labeled.places[draw.fold == number]],
            labeled.labels[draw.fold == number],
            mine[others.numpy()],
        )
        for number, mine in zip(numbers, probs, strict=True)
    ]
