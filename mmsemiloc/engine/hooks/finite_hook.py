"""Hook that keeps numbers that are not finite out of any model and its checkpoints."""

from typing import ClassVar

from mmengine import dist
from mmengine.hooks import CheckpointHook, Hook
from mmengine.runner import Runner
from torch import nn
from torch.optim import Optimizer

from mmsemiloc.engine.checks.bad_step import Part, refuse_bad_step
from mmsemiloc.engine.checks.finite import (
    NotFiniteError,
    check_optimizer,
    first_not_finite,
    gradients_of,
    total_norm,
)
from mmsemiloc.engine.hooks.step_arguments import StepArguments
from mmsemiloc.engine.optimizers.accum_optim_wrapper import AccumOptimWrapper
from mmsemiloc.models import inner_model
from mmsemiloc.registry import HOOKS

# What a checkpoint holds that training resumes from.
SAVED = ('state_dict', 'ema_state_dict', 'optimizer')


def refuse_bad_checkpoint(checkpoint: dict) -> None:
    """Check the weights, their running mean and the optimizer's state of a checkpoint.

    Raises:
        NotFiniteError: With the name of the first tensor that is not finite.
    """
    refuse_tensor(first_not_finite({key: checkpoint[key] for key in SAVED if key in checkpoint}))


def refuse_tensor(name: str | None) -> None:
    """Refuse to save a tensor that is not finite; None if there is none.

    Raises:
        NotFiniteError: With its name.
    """
    if name is not None:
        raise NotFiniteError(
            f'{name} is not finite, so no checkpoint is written over good ones; lower the learning '
            'rate (optim_wrapper.optimizer.lr) and resume from the last checkpoint with --resume'
        )


def saves_now(hook: Hook, runner: Runner, by_epoch: bool) -> bool:
    """Whether a hook saves a checkpoint at the end of this epoch or iteration."""
    if not isinstance(hook, CheckpointHook) or hook.by_epoch != by_epoch:
        return False
    if by_epoch:
        return hook.every_n_epochs(runner, hook.interval, hook.save_begin) or (
            hook.save_last and hook.is_last_train_epoch(runner)
        )

    return hook.every_n_train_iters(runner, hook.interval, hook.save_begin) or (
        hook.save_last and hook.is_last_train_iter(runner)
    )


def state_to_save(runner: Runner) -> dict:
    """What a checkpoint of a runner would hold; see ``SAVED``."""
    model = inner_model(runner.model)
    means = [hook.ema_model.state_dict() for hook in runner.hooks if hasattr(hook, 'ema_model')]
    return dict(
        state_dict=model.state_dict(),
        ema_state_dict=means,
        optimizer=runner.optim_wrapper.state_dict(),
    )


@HOOKS.register_module()
class FiniteHook(Hook):
    """Stops a run before it trains on, updates with or saves numbers that are not finite.

    ``AccumOptimWrapper`` checks its steps itself; with another wrapper this hook listens to the
    losses of the model and looks at the gradients right before the optimizer's step. What would be
    saved is looked at on all ranks before MMEngine removes an older checkpoint, and once more when
    all other hooks have added their part.

    Raises:
        ValueError: Before training, if a weight is not finite or a number of the optimizer can
            never be meant; a ``NotFiniteError``, which is one, during training.
    """

    step_arguments: ClassVar[StepArguments] = {}
    priority = 'LOW'  # after the hooks that average weights, before the one that saves

    def before_train(self, runner: Runner) -> None:
        """Look at the weights, and listen to the model if the wrapper does not check its steps."""
        model = runner.model
        self._module: nn.Module = inner_model(model)
        self._handles: list = []
        name = first_not_finite(self._module.state_dict())
        if name is not None:
            raise NotFiniteError(
                f'{name} is not finite before the first step: look at load_from, '
                'resume and init_cfg'
            )

        # Our own wrapper checks its steps itself; several wrappers have no optimizer.
        optimizer = getattr(runner.optim_wrapper, 'optimizer', None)  # several wrappers have none
        if optimizer is None or isinstance(runner.optim_wrapper, AccumOptimWrapper):
            return

        check_optimizer(optimizer)
        self._optimizer: Optimizer = optimizer
        self._parts: list[Part] = []
        check = optimizer.register_step_pre_hook(lambda *_: self._check(gradients=True))
        self._handles = [self._module.register_forward_hook(self._listen), check]

    def after_train(self, runner: Runner) -> None:
        """Stop listening."""
        for handle in self._handles:
            handle.remove()

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: object = None) -> None:
        """Remember the images."""
        self._data = data_batch

    def _listen(self, module: nn.Module, args: tuple, output: object) -> None:
        """Keep the losses of a training batch."""
        if module.training and isinstance(output, dict):
            self._parts.append(Part(self._data, output))

    def _check(self, gradients: bool) -> None:
        """Check all that was kept."""
        parts, self._parts = self._parts, []
        refuse_bad_step(
            parts,
            self._module,
            self._optimizer,
            total_norm(gradients_of(self._optimizer)) if gradients else None,
        )

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: object = None, outputs: object = None
    ) -> None:
        """Check losses that no step has followed: gradients are accumulated, or overflowed."""
        if self._handles and self._parts:
            self._check(gradients=False)
        self._before_saving(runner, by_epoch=False)

    def after_train_epoch(self, runner: Runner) -> None:
        """Look at what will be saved, if anything."""
        self._before_saving(runner, by_epoch=True)

    def _before_saving(self, runner: Runner, by_epoch: bool) -> None:
        """Stop all ranks if one has something bad to save."""
        if any(saves_now(hook, runner, by_epoch) for hook in runner.hooks):
            names = dist.all_gather_object(first_not_finite(state_to_save(runner)))
            refuse_tensor(next((name for name in names if name is not None), None))

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Look at what will be saved."""
        refuse_bad_checkpoint(checkpoint)
