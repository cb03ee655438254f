"""Signals that tell a run to stop, and workers that end with their process."""

import contextlib
import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType

EXIT_CODE = 143  # what a shell makes of SIGTERM
STOPS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)
# A launcher hands on the Ctrl-C that the terminal has sent to all processes already.
SAME_CTRL_C = 1.0  # seconds
PR_SET_PDEATHSIG = 1  # of Linux' prctl


class Stopped(SystemExit):
    """A run that ends because it was told to.

    Args:
        reason: One line.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(EXIT_CODE)
        self.reason = reason


class StopSignals:
    """Remembers a signal to stop instead of dying of it; the second Ctrl-C ends the process."""

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self._time = 0.0
        self._before: dict[signal.Signals, object] = {}

    def listen(self) -> None:
        """Begin, in the main thread; in another one Python allows no handlers."""
        if self._before or threading.current_thread() is not threading.main_thread():
            return
        self.received = None
        for number in STOPS:
            self._before[number] = signal.signal(number, self._receive)

    def leave(self) -> None:
        """Put the handlers back that were there before."""
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        self._before = {}

    def _receive(self, number: int, frame: FrameType | None) -> None:
        """Remember a signal."""
        again = self.received is not None and time.monotonic() - self._time > SAME_CTRL_C
        if number == signal.SIGINT and again:
            raise KeyboardInterrupt('stopped at once; --resume goes on from the last checkpoint')
        if self.received is None:
            self.received, self._time = signal.Signals(number), time.monotonic()


def end_with(parent: int) -> None:
    """Let this process end when its parent does, however that ends; on Linux only.

    Args:
        parent: The process that has started this one.
    """
    if sys.platform != 'linux':
        return
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it has ended already
        os._exit(1)


def end_if_told(parent: int) -> None:
    """Wait until the parent, and nobody else, ends this process by SIGTERM."""
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != parent:
        pass
    os._exit(0)  # as torch's own workers


def start_worker(worker_id: int, parent: int, then: Callable[[int], None] | None = None) -> None:
    """Start a worker of a dataloader that lives exactly as long as its process.

    A signal to stop often goes to all processes of a run. A worker that dies of it would end the
    run before the checkpoint is written, so it listens to its own process alone.

    Args:
        worker_id: Number of the worker.
        parent: Its process.
        then: What else is to be done at its start.
    """
    for number in (signal.SIGUSR1, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    # Blocked, it waits for the thread, which sees who has sent it.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    threading.Thread(target=end_if_told, args=(parent,), daemon=True).start()
    end_with(parent)
    if then is not None:
        then(worker_id)
