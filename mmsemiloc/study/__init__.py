"""Runs of several configs, their evaluation, and the tables and plots that tools/ show."""

from mmsemiloc.study.results import Cost, Failure, Result
from mmsemiloc.study.runs import Run, plan_run
from mmsemiloc.study.steps import with_length

__all__ = ['Cost', 'Failure', 'Result', 'Run', 'plan_run', 'with_length']
