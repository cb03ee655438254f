"""Hook that switches on and ramps the weights of the penalties."""

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from mmsemiloc.models.numerics import check_number
from mmsemiloc.registry import HOOKS


def ramp(step: int, begin: int, end: int, start_value: float, end_value: float) -> float:
    """``start_value`` up to ``begin``, ``end_value`` from ``end`` on, linear between them.

    A switch if they are equal.

    Example:
        >>> [ramp(t, begin=10, end=20, start_value=0.0, end_value=1.0) for t in (0, 15, 20)]
        [0.0, 0.5, 1.0]
    """
    if step >= end:
        return end_value
    if step <= begin:
        return start_value
    return start_value + (end_value - start_value) * (step - begin) / (end - begin)


@HOOKS.register_module()
class LossScheduleHook(Hook):
    """Sets the ``loss_weight`` of terms of the head as a function of the iteration or epoch, and
    logs the weights.

    The weight of a term goes linearly from ``start_value`` at ``begin`` to the ``loss_weight`` of
    its config at ``end``; with ``begin == end`` it is switched. It is a function of the progress
    alone, so a resumed run has the weights of an uninterrupted one.

    Args:
        schedule: For each term ('mel', 'nbel', 'locality') ``dict(begin=0, end=0,
            start_value=0.0)``.
        by_epoch: Whether ``begin`` and ``end`` count epochs instead of iterations (optimizer
            steps).

    Raises:
        ValueError: If a schedule has other keys, ends before it begins or starts below 0, or
            (before training) names a term that the head does not have.

    Example:
        NBEL started from CE + MEL after 100 epochs::

            dict(type='mmsemiloc.LossScheduleHook', by_epoch=True, schedule=dict(nbel=dict(begin=100, end=100)))
    """

    def __init__(self, schedule: dict[str, dict], by_epoch: bool = False) -> None:
        for name, values in schedule.items():
            full = {'begin': 0, 'end': 0, 'start_value': 0.0, **values}
            if len(full) > 3 or not 0 <= full['begin'] <= full['end']:
                raise ValueError(
                    f'LossScheduleHook: schedule of {name!r} needs 0 <= begin <= end and no keys '
                    f'but begin, end and start_value, got {values}'
                )
            check_number(f'start_value of {name!r} in LossScheduleHook', full['start_value'], 0)
        self.schedule = schedule
        self.by_epoch = by_epoch

    def before_train(self, runner: Runner) -> None:
        """Find the terms and remember the weights of their configs as the end values."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        self.terms = model.head.terms
        unknown = sorted(set(self.schedule) - set(self.terms.keys()))
        if unknown:
            raise ValueError(
                f'LossScheduleHook: the head has no terms {unknown}, it has '
                f'{sorted(self.terms.keys())}'
            )
        self.end_values = {name: self.terms[name].loss_weight for name in self.schedule}

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None
    ) -> None:
        """Set this step's weights, and log those of all terms."""
        progress = runner.epoch if self.by_epoch else runner.iter
        for name, values in self.schedule.items():
            full = {'begin': 0, 'end': 0, 'start_value': 0.0, **values}
            self.terms[name].loss_weight = ramp(progress, end_value=self.end_values[name], **full)
        for name, term in self.terms.items():
            runner.message_hub.update_scalar(f'train/weight_{name}', term.loss_weight)
