"""Hook that stops a run in good order, and makes up for what a run that was stopped has missed."""

import bisect
import logging
from pathlib import Path
from typing import ClassVar

import torch
from mmengine import dist
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop, Runner

from mmsemiloc.engine.hooks.step_arguments import StepArguments
from mmsemiloc.engine.hooks.whole_checkpoint_hook import call_before_saving
from mmsemiloc.engine.restart.checkpoints import INTERRUPTED
from mmsemiloc.engine.restart.recipe import recipe_of
from mmsemiloc.engine.restart.signals import Stopped, StopSignals
from mmsemiloc.engine.restart.whole_files import BACKEND_ARGS
from mmsemiloc.files import write_whole
from mmsemiloc.registry import HOOKS

NEVER = -1


def validation_is_due(runner: Runner) -> bool:
    """Whether the loop validates where training stands now, after an iteration or epoch."""
    loop = runner.train_loop
    by_epoch = isinstance(loop, EpochBasedTrainLoop)
    if runner.val_loop is None or not isinstance(loop, EpochBasedTrainLoop | IterBasedTrainLoop):
        return False
    if by_epoch and loop.iter != loop.epoch * len(loop.dataloader):
        return False  # in the middle of an epoch

    # As the loops decide.
    done, total = (loop.epoch, loop.max_epochs) if by_epoch else (loop.iter, loop.max_iters)
    place = bisect.bisect(loop.dynamic_milestones, done + 1) - 1
    interval = loop.dynamic_intervals[place]
    return done >= loop.val_begin and (done % interval == 0 or done == total)


@HOOKS.register_module()
class RestartHook(Hook):
    """Lets a run be stopped after any step, and go on as if it had not been.

    SIGTERM, SIGUSR1 and the first Ctrl-C let the run save ``interrupted.pth`` after the present
    step and end with exit code 143. All ranks stop after the same step, whichever has got the
    signal. A second Ctrl-C ends it at once.

    A checkpoint is saved before the validation of its step. So a resumed run validates first if
    that was due, and its log is that of a run that was never stopped. Checkpoints have the recipe
    of the run; see ``recipe_of``.

    In our configs it is ``default_hooks.restart``.
    """

    step_arguments: ClassVar[StepArguments] = {}
    priority = 'LOWEST'  # after a checkpoint of the same step

    def __init__(self) -> None:
        self.signals = StopSignals()
        self._validated = self._saved = NEVER  # iterations

    def before_train(self, runner: Runner) -> None:
        """Listen to signals, and validate what is to be resumed if that has not been done."""
        self.signals.listen()
        missed = runner.iter and self._validated != runner.iter and validation_is_due(runner)
        if missed:
            print_log(
                f'validation after iteration {runner.iter}, which the stopped run has not done',
                logger='current',
                level=logging.INFO,
            )
            runner.val_loop.run()

    def after_train(self, runner: Runner) -> None:
        """Listen no longer."""
        self.signals.leave()

    def before_val_epoch(self, runner: Runner) -> None:
        """Remember the validation; if it is not finished, nothing is saved before the next one."""
        self._validated = runner.iter

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Save the recipe, and which validation was the last one."""
        checkpoint['meta']['recipe'] = recipe_of(runner.cfg, dist.get_world_size())
        checkpoint['validated'] = self._validated
        self._saved = checkpoint['meta']['iter']

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Remember which validation was the last one."""
        self._validated = checkpoint.get('validated', NEVER)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: object = None, outputs: object = None
    ) -> None:
        """Stop if any rank has been told to.

        Raises:
            Stopped: With the checkpoint that was saved.
        """
        told = torch.tensor(float(self.signals.received is not None))
        dist.all_reduce(told, 'max')
        if told:
            self._stop(runner)

    def _stop(self, runner: Runner) -> None:
        """Save and end the run."""
        name = self.signals.received.name if self.signals.received else 'a signal to another rank'
        done = runner.iter + 1
        loop = runner.train_loop

        if isinstance(loop, EpochBasedTrainLoop) and not getattr(loop, 'resumable', False):
            where = 'in an epoch whose order cannot be entered in its middle: nothing is saved'
        else:
            where = f'saved in {runner.work_dir}'
            call_before_saving(runner)
            self._save(runner, done)

        # A launcher ends all processes as soon as one has ended.
        dist.barrier()
        raise Stopped(f'stopped by {name} after iteration {done}, {where}; go on with --resume')

    def _save(self, runner: Runner, done: int) -> None:
        """Save the run after a number of iterations, unless another hook has just done so."""
        if dist.is_main_process() and self._saved == done:
            return
        runner.save_checkpoint(
            runner.work_dir,
            INTERRUPTED,
            meta=dict(epoch=runner.epoch, iter=done),
            by_epoch=False,
            backend_args=BACKEND_ARGS,
        )
        if dist.is_main_process():
            path = Path(runner.work_dir) / INTERRUPTED
            write_whole(path.with_name('last_checkpoint'), str(path))
