"""Base classes of the terms of the loss: each owns its weight and its schedule."""

from abc import abstractmethod

from mmengine.model import BaseModule
from torch import Tensor

from mmsemiloc.models.effective_batch import EffectiveBatch
from mmsemiloc.models.losses.alignment import DistributionAlignment
from mmsemiloc.models.losses.schedule import make_schedule
from mmsemiloc.models.numerics import at_least_float32, check_number, log_softmax
from mmsemiloc.models.predictions import Pairs, Predictions
from mmsemiloc.models.views import Selection

Values = dict[str, Tensor]


class WeightedTerm(BaseModule):
    """What all terms share: a weight that may follow a schedule.

    Args:
        loss_weight: Weight of the term, at least 0; a term whose weight is 0 at the moment is not
            computed.
        schedule: ``dict(begin=..., end=..., start_value=...)``: the weight goes linearly from
            ``start_value`` at ``begin`` to ``loss_weight`` at ``end``, both shares of the run from
            0 to 1; see :class:`Schedule`. None for the same weight from the first step on.

    Attributes:
        loss_weight: The weight at the moment; ``LossScheduleHook`` sets it before each step.
        full_weight: The weight of the config.

    Raises:
        ValueError: If the weight or the schedule is out of range.
    """

    def __init__(self, loss_weight: float = 1.0, schedule: dict | None = None) -> None:
        super().__init__()
        self.loss_weight = self.full_weight = check_number('loss_weight', loss_weight, 0)
        self.schedule = make_schedule(schedule)
        self._timed = self.schedule is None

    def set_time(self, step: int, total: int) -> None:
        """Take the weight that the schedule has at a step of a run of ``total`` steps."""
        if self.schedule is not None:
            self.loss_weight = self.schedule.weight(self.full_weight, step, total)
            self._timed = True

    def mean_selection(self) -> Selection | None:
        """The views whose mean prediction over the effective batch the term reads; None for none.

        Micro-batches of the effective batch need two passes for it.
        """
        return None

    def losses(self, predictions: Predictions, batch: EffectiveBatch) -> Values:
        """The values of a micro-batch, weighted, as parts of those of the effective batch.

        Parts add up over micro-batches and average over ranks.

        Args:
            predictions: Those of the micro-batch.
            batch: The effective batch, with the mean that the term declares.

        Raises:
            ValueError: If there is a schedule that nobody follows, or the effective batch has none
                of the views that the term reads.
        """
        if self.training and not self._timed:
            raise ValueError(
                f'{type(self).__name__} has a schedule, but nothing sets its weight: add '
                "default_hooks.loss_schedule=dict(type='mmsemiloc.LossScheduleHook')"
            )

        values, share = self.values(predictions, batch)
        weighted = {
            name: self.loss_weight * value if 'loss' in name else value
            for name, value in values.items()
        }
        return {name: value * share.to(value) for name, value in weighted.items()}

    @abstractmethod
    def values(self, predictions: Predictions, batch: EffectiveBatch) -> tuple[Values, Tensor]:
        """Means over the views that the term reads, and their share of the effective batch."""


class Term(WeightedTerm):
    """A term of the loss: a mean over views of a micro-batch. Derive your own from it.

    It needs one method, :meth:`compute`. The base chooses the views, multiplies losses by the
    weight, and turns means over the micro-batch into parts of those of the effective batch.

    Args:
        loss_weight: Weight, at least 0.
        schedule: See :class:`WeightedTerm`.
        views: Views of the images: 'all', 'weak' (the first of each image) or 'strong' (the
            others).
        unlabeled: Whether to leave out labelled images.

    Attributes:
        reads_mean: Whether :meth:`compute` reads ``log_mean``, the mean prediction over the
            effective batch of the views that the term chooses.
        talks_to_ranks: Whether :meth:`compute` exchanges something with other ranks. Then it is
            also called for a micro-batch that has none of the views, so that no rank waits.

    Raises:
        ValueError: If the weight or the schedule is out of range, or ``views`` is unknown.
    """

    reads_mean: bool = False
    talks_to_ranks: bool = False

    def __init__(
        self,
        loss_weight: float = 1.0,
        schedule: dict | None = None,
        views: str = 'all',
        unlabeled: bool = False,
    ) -> None:
        super().__init__(loss_weight, schedule)
        self.selection = Selection(views, unlabeled)

    @abstractmethod
    def compute(self, predictions: Predictions) -> Values:
        """Means over the chosen views, without the weight, by name.

        Values with 'loss' in their name are minimised, the others are logged. The names are the
        same every time.
        """

    def mean_selection(self) -> Selection | None:
        """The views whose mean prediction the term reads; None for none."""
        return self.selection if self.reads_mean else None

    def values(self, predictions: Predictions, batch: EffectiveBatch) -> tuple[Values, Tensor]:
        """Means over the views that the term chooses, and their share of the effective batch."""
        chosen = predictions.select(self.selection.views, self.selection.unlabeled)
        share = batch.share(len(chosen), self.selection)
        if self.reads_mean:
            chosen = chosen.with_mean(batch.log_mean(self.selection))
        if not len(chosen) and not self.talks_to_ranks:
            return {}, share
        return self.compute(chosen), share


class PairTerm(WeightedTerm):
    """A term over pairs of a strong and a weak view of the same image.

    It takes every image that has several views, labelled or not. :meth:`compute` is called for
    every micro-batch, also for one without pairs: its loss is 0 then.

    Args:
        loss_weight: Weight, at least 0.
        schedule: See :class:`WeightedTerm`.
        alignment: Arguments of :class:`DistributionAlignment` of the weak predictions; None for
            none.

    Raises:
        ValueError: If the weight or the schedule is out of range, or an argument of the alignment
            is bad.
    """

    def __init__(
        self, loss_weight: float = 1.0, schedule: dict | None = None, alignment: dict | None = None
    ) -> None:
        super().__init__(loss_weight, schedule)
        self.alignment = None if alignment is None else DistributionAlignment(**alignment)

    @abstractmethod
    def compute(self, pairs: Pairs) -> Values:
        """Means over the pairs, without the weight, by name; 0 without pairs."""

    def log_targets(self, pairs: Pairs) -> Tensor:
        """log q (P, C) of the weak view of each pair, aligned if asked for, without gradient."""
        scores = at_least_float32(pairs.targets.detach())
        return log_softmax(scores) if self.alignment is None else self.alignment(scores)

    def values(self, predictions: Predictions, batch: EffectiveBatch) -> tuple[Values, Tensor]:
        """Means over the pairs, and their share of the effective batch."""
        pairs = predictions.pairs()
        share = batch.share(len(pairs), Selection('strong'))
        return self.compute(pairs), share
