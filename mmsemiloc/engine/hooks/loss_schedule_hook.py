"""Hook that lets the terms of the loss follow their schedules."""

from collections.abc import Mapping
from typing import Any, ClassVar, cast

from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmsemiloc.engine.hooks.step_arguments import StepArguments
from mmsemiloc.models import SemiSupClassifier, inner_model
from mmsemiloc.models.losses.term import WeightedTerm
from mmsemiloc.registry import HOOKS


def refuse_old_form(schedule: Mapping[str, Mapping] | None, by_epoch: bool) -> None:
    """Refuse the schedules that this hook once held, with the place where they belong now.

    Raises:
        ValueError: With the new spelling of the first of them.
    """
    length = 'max_epochs' if by_epoch else 'steps'
    for name, values in (schedule or {'nbel': {}}).items():
        begin, end = values.get('begin', 0), values.get('end', 0)
        place = f'loss_{name}' if name in ('mel', 'nbel', 'locality') else f'terms.{name}'
        raise ValueError(
            'LossScheduleHook has no arguments any more: a schedule stands beside loss_weight in '
            f'its term, in shares of the run, here model.head.{place}.schedule=dict('
            f'begin={begin} / {length}, end={end} / {length}) with the numbers that they give '
            '(0 to 1)'
        )


@HOOKS.register_module()
class LossScheduleHook(Hook):
    """Sets the weights of the terms of the head before each step.

    Each term has its schedule in its config, ``schedule=dict(begin=..., end=..., start_value=...)``
    in shares of the run; see :class:`Schedule`. The weights are functions of the progress alone, so
    a resumed run has those of an uninterrupted one. If any term has a schedule, the weights of all
    are logged as ``weight_<name>``. In our configs the hook is ``default_hooks.loss_schedule``.

    Args:
        schedule: Refused, with the place where it belongs.
        by_epoch: Refused.

    Raises:
        ValueError: If there are arguments.

    Example:
        NBEL started from CE + MEL after 100 of 130 epochs::

            loss_nbel = dict(
                type='mmsemiloc.NegativeBatchEntropyLoss', schedule=dict(begin=100 / 130))
    """

    step_arguments: ClassVar[StepArguments] = {}

    def __init__(self, schedule: Mapping[str, Mapping] | None = None, **by_epoch: Any) -> None:
        if schedule is not None or by_epoch:
            refuse_old_form(schedule, bool(by_epoch.get('by_epoch')))
        self.terms: Mapping[str, WeightedTerm] = {}

    def before_train(self, runner: Runner) -> None:
        """Find the terms, if any of them has a schedule."""
        model = inner_model(runner.model)
        self.terms = {}
        if isinstance(model, SemiSupClassifier):
            terms = cast(Mapping[str, WeightedTerm], model.head.terms)
            if any(term.schedule for term in terms.values()):
                self.terms = terms

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None
    ) -> None:
        """Set this step's weights, and log those of all terms."""
        for name, term in self.terms.items():
            term.set_time(runner.iter, runner.max_iters)
            runner.message_hub.update_scalar(f'train/weight_{name}', term.loss_weight)
