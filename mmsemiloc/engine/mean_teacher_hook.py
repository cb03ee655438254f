"""Hook that keeps a teacher, the running mean of the model's weights."""
from mmengine.hooks import EMAHook
from mmengine.runner import Runner

from mmsemiloc.models import SemiSupClassifier
from mmsemiloc.registry import HOOKS

EVALUATED = ('teacher', 'student')


@HOOKS.register_module()
class MeanTeacherHook(EMAHook):
    """Lets a running mean of the model's weights, the teacher, predict what terms of the loss draw other predictions to.

    The teacher is MMEngine's averaged model, BatchNorm's statistics included. It predicts in evaluation mode, without
    gradient (Tarvainen and Valpola 2017). Checkpoints hold both, and a resumed run goes on with both: ``state_dict`` is the
    one that is evaluated, ``ema_state_dict`` has the other.

    Args:
        momentum: Weight of the present weights in the mean, above 0 and below 1: the teacher looks back over about
            1/momentum optimizer steps.
        evaluate: 'teacher' or 'student': which of them validation and test use, and a checkpoint's ``state_dict`` is.
        **kwargs: For ``EMAHook`` (``begin_iter``, until which the teacher is the student; ``ema_type``).

    Raises:
        ValueError: If ``evaluate`` is neither or the momentum out of range, and before training if the model is no
            ``SemiSupClassifier``.
    """

    def __init__(self, momentum: float = 0.01, evaluate: str = 'teacher', **kwargs) -> None:
        if evaluate not in EVALUATED:
            raise ValueError(f'evaluate must be one of {EVALUATED}, got {evaluate!r}')
        if not 0 < momentum < 1:
            raise ValueError(f'momentum must be above 0 and below 1, got {momentum}')
        super().__init__(momentum=momentum, update_buffers=True, strict_load=True, **kwargs)
        self.evaluate = evaluate

    def before_train(self, runner: Runner) -> None:
        """Let the teacher teach."""
        super().before_train(runner)
        if not isinstance(self.src_model, SemiSupClassifier):
            raise ValueError(f'MeanTeacherHook needs a SemiSupClassifier, got {type(self.src_model).__name__}')
        self.src_model.set_teacher(self.ema_model.module.eval())

    def after_train(self, runner: Runner) -> None:
        """Let it go."""
        self.src_model.set_teacher(None)

    def _swap_ema_parameters(self) -> None:
        """Exchange the weights of teacher and student, around validation and test of the teacher."""
        if self.evaluate == 'teacher':
            super()._swap_ema_parameters()

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
