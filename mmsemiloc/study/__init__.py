"""Runs of several configs, their evaluation, and the tables and plots that tools/ show."""

from mmsemiloc.study.runs import Failure, Result, Run, plan_run
from mmsemiloc.study.steps import with_length

__all__ = ['Failure', 'Result', 'Run', 'plan_run', 'with_length']
