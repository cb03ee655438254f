"""When the weight of a term of the loss rises, in shares of the run."""

from dataclasses import dataclass

from mmsemiloc.models.numerics import check_number

KEYS = ('begin', 'end', 'start_value')


def ramp(step: int, begin: int, end: int, start_value: float, end_value: float) -> float:
    """``start_value`` up to ``begin``, ``end_value`` from ``end`` on, and linear between them.

    It is a switch if ``begin`` and ``end`` are equal.

    Example:
        >>> [ramp(t, begin=10, end=20, start_value=0.0, end_value=1.0) for t in (0, 15, 20)]
        [0.0, 0.5, 1.0]
    """
    if step >= end:
        return end_value
    if step <= begin:
        return start_value
    return start_value + (end_value - start_value) * (step - begin) / (end - begin)


@dataclass(frozen=True)
class Schedule:
    """A weight that goes linearly from ``start_value`` at ``begin`` to its full value at ``end``.

    It depends on the progress of the run alone, so a resumed run has the weights of an
    uninterrupted one, and a shorter run has the same shape.

    Attributes:
        begin: Share of the run from which the weight rises, at least 0 and below 1.
        end: Share of the run from which it has its full value, from ``begin`` to 1; None for
            ``begin``, so that the weight is switched on there.
        start_value: Weight before ``begin``, at least 0.

    Raises:
        ValueError: If a number is out of range.
    """

    begin: float = 0.0
    end: float | None = None
    start_value: float = 0.0

    def __post_init__(self) -> None:
        for name, value in (('begin', self.begin), ('end', self.last)):
            if isinstance(value, int | float) and value > 1:
                raise ValueError(
                    f'{name} of a schedule is a share of the run, from 0 to 1, got {value!r}: '
                    f'divide it by the length of the run, for example {name}={value!r} / steps'
                )

        check_number('begin of a schedule', self.begin, 0, below=1)
        check_number('end of a schedule', self.last, self.begin, 1)
        check_number('start_value of a schedule', self.start_value, 0)

    @property
    def last(self) -> float:
        """Share of the run from which the weight is full."""
        return self.begin if self.end is None else self.end

    def steps(self, total: int) -> tuple[int, int]:
        """``begin`` and ``end`` as steps of a run of ``total`` steps, rounded down."""
        # A share such as 10 / 13 times 130 must not end up just below the whole number.
        begin, end = (int(share * total + 1e-6) for share in (self.begin, self.last))
        return begin, end

    def weight(self, full: float, step: int, total: int) -> float:
        """Weight at a step of the run.

        Args:
            full: The weight from ``end`` on.
            step: Optimizer steps that are done, from 0.
            total: Steps of the whole run.
        """
        begin, end = self.steps(total)
        return ramp(step, begin, end, self.start_value, full)


def make_schedule(config: dict | None) -> Schedule | None:
    """The schedule of a config; None for none.

    Raises:
        ValueError: If it has other keys than a schedule, or a number is out of range.
    """
    if config is None:
        return None
    unknown = sorted(set(config) - set(KEYS))
    if unknown:
        raise ValueError(f'a schedule has the keys {", ".join(KEYS)}, got {unknown}')
    return Schedule(**config)
