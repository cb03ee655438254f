"""Hook that saves checkpoints which a kill at any moment leaves usable."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from mmengine.dist import is_main_process
from mmengine.fileio import LocalBackend
from mmengine.hooks import CheckpointHook
from mmengine.runner import Runner

from mmsemiloc.engine.hooks.step_arguments import StepArguments
from mmsemiloc.engine.restart.checkpoints import INTERRUPTED
from mmsemiloc.engine.restart.whole_files import BACKEND_ARGS
from mmsemiloc.files import PARTIAL
from mmsemiloc.registry import HOOKS


def call_before_saving(runner: Runner) -> None:
    """Let hooks collect from all ranks what one of them will save; all ranks have to call it."""
    for hook in runner.hooks:
        if hasattr(hook, 'before_saving'):
            hook.before_saving(runner)


class LateRemoval:
    """A file backend that only notes what is to be removed.

    Args:
        backend: Answers everything else.
    """

    def __init__(self, backend: Any) -> None:
        self.backend = backend
        self.paths: list[str] = []

    def __getattr__(self, name: str) -> Any:
        """What the backend has."""
        return getattr(self.backend, name)

    def remove(self, path: str) -> None:
        """Note a path."""
        self.paths.append(path)


@HOOKS.register_module()
class WholeCheckpointHook(CheckpointHook):
    """``CheckpointHook`` whose files are whole, and which removes one only after its successor.

    MMEngine writes a checkpoint in place, and removes the oldest one (or the best one so far)
    before: a run that is killed meanwhile can be left without any.

    Args:
        **kwargs: For ``CheckpointHook``.
    """

    step_arguments: ClassVar[StepArguments] = dict(interval=None, save_begin=None)

    file_backend: Any

    def __init__(self, **kwargs: Any) -> None:
        # Another storage than local files has its own way of writing.
        if not (kwargs.get('file_client_args') or kwargs.get('backend_args')):
            kwargs['backend_args'] = dict(BACKEND_ARGS)
        super().__init__(**kwargs)

    def before_train(self, runner: Runner) -> None:
        """Remove what a killed process has left half written."""
        super().before_train(runner)
        if is_main_process() and isinstance(self.file_backend, LocalBackend):
            for path in Path(self.out_dir).glob(f'*.pth{PARTIAL}'):
                path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _removing_later(self) -> Iterator[None]:
        """Remove at the end of ``with`` what would be removed inside of it."""
        backend: Any = self.file_backend
        late = self.file_backend = LateRemoval(backend)
        try:
            yield
        finally:
            self.file_backend = backend

        # A file that could not be written has raised: nothing is removed then.
        for path in late.paths:
            backend.remove(path)

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict) -> None:
        """Save, and then remove the oldest one, and that of a signal to stop."""
        call_before_saving(runner)
        with self._removing_later():
            super()._save_checkpoint_with_step(runner, step, meta)
        if is_main_process():
            (Path(runner.work_dir) / INTERRUPTED).unlink(missing_ok=True)

    def _save_best_checkpoint(self, runner: Runner, metrics: dict) -> None:
        """Save the best one, and then remove the one before it."""
        call_before_saving(runner)
        with self._removing_later():
            super()._save_best_checkpoint(runner, metrics)
