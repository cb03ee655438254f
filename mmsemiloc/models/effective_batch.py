"""What the micro-batches of one optimizer step must know of each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from mmengine import dist
from torch import Tensor

from mmsemiloc.models.prediction_sum import PredictionSum
from mmsemiloc.models.views import VIEWS, Selection, Views

UNLABELED = 'give SemiSupDataset unlabelled images, and SemiSupSampler a labeled_ratio below 1'
STRONG = (
    "give the images a pipeline with dict(type='MultiView', num_views=[1, 1], "
    'transforms=[weak, strong])'
)


def describe(selection: Selection) -> str:
    """A selection in words."""
    views = 'views' if selection.views == 'all' else f'{selection.views} views'
    return f'{views} of unlabelled images' if selection.unlabeled else views


@dataclass(frozen=True)
class EffectiveBatch:
    """All images of one optimizer step, over all micro-batches and ranks.

    Losses are means over it. DDP averages gradients over ranks, so the counts are means over ranks.

    Attributes:
        counts: Number of views per rank (2, 16): of unlabelled images and of labelled ones, by
            number of the view; see :meth:`Views.counts`.
        log_means: log q_bar (C,) of each selection of views whose mean some term reads.
    """

    counts: Tensor
    log_means: Mapping[Selection, Tensor] = field(default_factory=dict)

    @classmethod
    def of(cls, views: Views, device: torch.device) -> 'EffectiveBatch':
        """The effective batch of which this rank has ``views``. All ranks have to call it."""
        counts = views.counts().to(device)
        dist.all_reduce(counts, 'mean')
        return cls(counts)

    def with_means(self, sums: Sequence[Mapping[Selection, PredictionSum]]) -> 'EffectiveBatch':
        """The same batch with its mean predictions, from the sums of all its micro-batches.

        All ranks have to call it.
        """
        first, *others = sums
        totals = dict(first)
        for other in others:
            totals = {selection: total + other[selection] for selection, total in totals.items()}
        means = {selection: total.log_mean() for selection, total in totals.items()}
        return replace(self, log_means=means)

    @property
    def labeled(self) -> Tensor:
        """Views of labelled images per rank, a scalar tensor."""
        return self.counts[1].sum()

    def count(self, selection: Selection) -> Tensor:
        """Views per rank that a selection chooses, a scalar tensor."""
        rows = self.counts[:1] if selection.unlabeled else self.counts
        return rows[:, VIEWS[selection.views]].sum()

    def share(self, count: int, selection: Selection) -> Tensor:
        """Weight of a mean over ``count`` of the selected views in that over all of them.

        Raises:
            ValueError: If the effective batch has no such views.
        """
        total = self.count(selection)
        hint = UNLABELED if selection.unlabeled and selection.views != 'strong' else STRONG
        if not count and not total:
            raise ValueError(
                f'a term of the loss reads {describe(selection)}, but the batch has none: {hint}'
            )
        return count / total

    def log_mean(self, selection: Selection) -> Tensor:
        """log q_bar (C,) of the selected views of the effective batch.

        Raises:
            ValueError: If it was not computed, since no term declares that it reads it.
        """
        if selection not in self.log_means:
            raise ValueError(
                f'the mean prediction of {describe(selection)} was not computed: a term that reads '
                'it declares reads_mean = True'
            )
        return self.log_means[selection]
