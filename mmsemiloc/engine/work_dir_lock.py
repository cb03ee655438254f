"""One run at a time in a work dir: two would overwrite each other's checkpoints."""

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmengine.config import Config
from mmengine.logging import print_log

from mmsemiloc.engine.build import RANKS

LOCK = '.lock'  # in the work dir; it stays there, and has no meaning by itself


def is_first(launcher: str) -> bool:
    """Whether this process is the first one of its run, by the variable that its launcher sets."""
    return launcher == 'none' or os.environ.get(RANKS[launcher][0], '0') == '0'


@contextmanager
def locked(cfg: Config) -> Iterator[None]:
    """Hold the work dir of a config for one run.

    The first process of a run holds it for all. The lock belongs to that process and not to its
    children, so that the kernel frees it when the process ends, also by a kill that leaves workers
    behind. Reading the folder needs no lock.

    Args:
        cfg: With ``work_dir`` and ``launcher``.

    Raises:
        ValueError: If another run holds it.
    """
    if not is_first(cfg.get('launcher', 'none')):
        yield
        return

    folder = Path(cfg.work_dir)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open('a+', encoding='utf-8') as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError) as error:
            file.seek(0)
            raise ValueError(
                f'another run trains in {folder} ({file.read().strip() or "just started"}): wait '
                'for its end, stop it, or choose another folder by --work-dir'
            ) from error
        except OSError as error:  # a file system without locks
            print_log(f'{folder} cannot be locked: {error.strerror}', logger='current')

        file.truncate(0)
        file.write(f'process {os.getpid()} on {socket.gethostname()}')
        file.flush()
        yield
