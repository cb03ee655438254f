"""Hook that keeps a teacher, the running mean of the model's weights."""

from typing import Any, ClassVar

from mmengine.hooks import EMAHook
from mmengine.runner import Runner
from torch import nn

from mmsemiloc.engine.hooks.step_arguments import StepArguments
from mmsemiloc.models import SemiSupClassifier, inner_model
from mmsemiloc.models.numerics import check_number
from mmsemiloc.registry import HOOKS

EVALUATED = ('teacher', 'student')


@HOOKS.register_module()
class MeanTeacherHook(EMAHook):
    """Lets a running mean of the model's weights, the teacher, predict the targets of terms.

    ``teacher_n = (1 - momentum) teacher_(n-1) + momentum student_n`` after n optimizer steps,
    ``teacher_1 = student_1`` (Tarvainen and Valpola 2017): MMEngine's averaged model, BatchNorm's
    statistics included. It predicts weak views, in evaluation mode and without gradient.
    Checkpoints hold both, and a resumed run goes on with both: ``state_dict`` is the one that is
    evaluated, ``ema_state_dict`` has the other.

    Args:
        momentum: Weight of the present weights in the mean, above 0 and below 1: the teacher looks
            back over about 1/momentum optimizer steps.
        evaluate: 'teacher' or 'student': which of them validation and test use, and a checkpoint's
            ``state_dict`` is.
        **kwargs: For ``EMAHook`` (``begin_iter``, until which the teacher is the student;
            ``ema_type``).

    Raises:
        ValueError: If ``evaluate`` is neither or the momentum out of range, and before training if
            the model is not a ``SemiSupClassifier``.
    """

    step_arguments: ClassVar[StepArguments] = dict(begin_iter=None)

    def __init__(self, momentum: float = 0.01, evaluate: str = 'teacher', **kwargs: Any) -> None:
        if evaluate not in EVALUATED:
            raise ValueError(f'evaluate must be one of {EVALUATED}, got {evaluate!r}')
        check_number('momentum', momentum, above=0, below=1)
        super().__init__(momentum=momentum, update_buffers=True, **kwargs)
        self.evaluate = evaluate
        self.src_model: nn.Module | None = None

    def before_run(self, runner: Runner) -> None:
        """Make the teacher, once: a test that follows on training has the teacher of training."""
        if self.src_model is not inner_model(runner.model):
            super().before_run(runner)

    def before_train(self, runner: Runner) -> None:
        """Let the teacher teach; at first it is the student's equal.

        It was copied before the weights were initialised.
        """
        super().before_train(runner)
        if not isinstance(self.src_model, SemiSupClassifier):
            raise ValueError(
                f'MeanTeacherHook needs a SemiSupClassifier, got {type(self.src_model).__name__}'
            )
        if self.ema_model.steps == 0:
            self.ema_model.module.load_state_dict(self.src_model.state_dict())
        self.src_model.set_teacher(self.ema_model.module.eval())

    def after_train(self, runner: Runner) -> None:
        """Take the teacher from the student again."""
        self.src_model.set_teacher(None)

    def _swap_ema_parameters(self) -> None:
        """Exchange the weights of teacher and student, around validation and test of the teacher.

        By name, unlike in ``EMAHook``: buffers that are not saved (a prior, say) may be the
        student's alone.
        """
        if self.evaluate == 'teacher':
            teacher = self.ema_model.module.state_dict()
            for name, value in self.src_model.state_dict().items():
                kept = value.clone()
                value.copy_(teacher[name])
                teacher[name].copy_(kept)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Save both, and which is which."""
        super().before_save_checkpoint(runner, checkpoint)
        if self.evaluate == 'student':
            self._swap_ema_state_dict(checkpoint)
        checkpoint['evaluated'] = self.evaluate

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Load both to resume, else the one that is evaluated."""
        if 'ema_state_dict' in checkpoint:
            wanted = 'teacher' if runner._resume else self.evaluate
            if checkpoint.get('evaluated', 'teacher') != wanted:
                self._swap_ema_state_dict(checkpoint)
        super().after_load_checkpoint(runner, checkpoint)
