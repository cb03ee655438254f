"""Which checkpoint of a folder a run goes on from."""

import os
import re
import time
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mmsemiloc.engine.restart.recipe import check_recipe
from mmsemiloc.models.checkpoints.weights_only import load_file

INTERRUPTED = 'interrupted.pth'  # of a run that was told to stop between two checkpoints
NUMBERED = re.compile(r'(epoch|iter)_(\d+)\.pth')
NEEDED = ('meta', 'message_hub', 'optimizer')  # what a run cannot go on without


@dataclass(frozen=True)
class Checkpoint:
    """A whole checkpoint.

    Attributes:
        path: The file.
        iteration: Steps that it was trained for.
        recipe: Of its run, see ``recipe_of``; None if it does not tell.
    """

    path: Path
    iteration: int
    recipe: str | None


def read_checkpoint(path: Path) -> Checkpoint:
    """What a checkpoint says about itself; its tensors stay on the disk.

    Raises:
        ValueError: If it is torn, or nothing that a run can go on from.
    """
    # A zip archive has its list of contents at the end, so that one that was cut off has none.
    if not zipfile.is_zipfile(path):
        raise ValueError('it is cut off' if path.stat().st_size else 'it is empty')
    try:
        content = load_file(path, mmap=True)
    except Exception as error:  # depends on where the file is damaged
        raise ValueError(f'{type(error).__name__}: {error}') from error

    missing = [key for key in NEEDED if not isinstance(content, dict) or key not in content]
    if missing or not isinstance(content['meta'].get('iter'), int):
        raise ValueError(f'it has no {", ".join(missing) or "iteration in meta"}')
    return Checkpoint(path, content['meta']['iter'], content['meta'].get('recipe'))


def checkpoints_in(folder: Path) -> dict[str, list[Path]]:
    """Checkpoints of a run by kind (epoch, iter, interrupted), the newest first."""
    found: dict[str, list[tuple[int, Path]]] = {}
    for path in folder.glob('*.pth') if folder.is_dir() else ():
        match = NUMBERED.fullmatch(path.name)
        if match:
            found.setdefault(match[1], []).append((int(match[2]), path))
        elif path.name == INTERRUPTED:
            found['interrupted'] = [(0, path)]
    return {kind: [path for _, path in sorted(pairs)[::-1]] for kind, pairs in found.items()}


def newest_whole(folder: Path, tell: Callable[[str], object] = print) -> Checkpoint | None:
    """The newest whole checkpoint of a folder, whatever ``last_checkpoint`` says; None without any.

    Args:
        folder: The work dir.
        tell: Called with a line about each one that is skipped because it is torn.

    Raises:
        ValueError: If there are checkpoints, but none is whole.
    """
    whole, torn = [], []
    for paths in checkpoints_in(folder).values():
        for path in paths:
            try:
                whole.append(read_checkpoint(path))
                break
            except ValueError as error:
                torn.append(f'{path}: {error}')
                tell(f'skipped {torn[-1]}')

    if not whole and torn:
        raise ValueError(
            f'{folder} has no whole checkpoint to resume from ({torn[0]}): begin anew with '
            '--force, which moves what is there into a folder of its own'
        )
    return max(whole, key=lambda checkpoint: checkpoint.iteration, default=None)


def refuse_old_checkpoints(folder: Path) -> None:
    """Refuse to begin a run where checkpoints of another one lie.

    Raises:
        ValueError: With what to do.
    """
    kinds = checkpoints_in(folder)
    if kinds:
        newest = next(iter(kinds.values()))[0].name
        raise ValueError(
            f'{folder} has checkpoints already ({newest}): go on from them with --resume, take '
            'another --work-dir, or begin anew with --force, which moves them into a folder of '
            'their own'
        )


def put_aside(folder: Path) -> Path | None:
    """Move the checkpoints of a folder into a new one inside of it; None if there are none."""
    files = [path for paths in checkpoints_in(folder).values() for path in paths]
    files += [path for path in folder.glob('best_*.pth')]
    if not files:
        return None

    aside = folder / f'earlier_{time.strftime("%Y%m%d_%H%M%S")}'
    aside.mkdir(exist_ok=True)
    for path in (*files, folder / 'last_checkpoint'):
        if path.exists():
            os.replace(path, aside / path.name)
    return aside


def resume_point(
    folder: Path, recipe: str, force: bool = False, tell: Callable[[str], object] = print
) -> Path | None:
    """The checkpoint of a folder that a run of a recipe goes on from; None if there is none.

    Args:
        folder: The work dir.
        recipe: Of the run.
        force: Whether another recipe is meant.
        tell: As for :func:`newest_whole`.

    Raises:
        ValueError: If no checkpoint is whole, or the newest one is of another recipe.
    """
    found = newest_whole(folder, tell)
    if found is None:
        return None
    if not force:
        check_recipe(str(found.path), found.recipe, recipe)
    return found.path


def is_restarted(environment: Mapping[str, str]) -> bool:
    """Whether Slurm or torchrun has started this run again after it was stopped or has failed."""
    names = ('SLURM_RESTART_COUNT', 'TORCHELASTIC_RESTART_COUNT')
    return any(environment.get(name, '0') not in ('', '0') for name in names)
