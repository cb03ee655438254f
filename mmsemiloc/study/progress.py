"""Progress of several runs on the terminal."""

import threading

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


class ProgressDisplay:
    """One line per run that is going on.

    Where the output is not a terminal, a plain line is printed after each quarter of a run.

    Args:
        console: Where to show it.
    """

    def __init__(self, console: Console) -> None:
        self.console = console

        self._bars = Progress(
            TextColumn('{task.description}'),
            BarColumn(bar_width=24),
            TextColumn('{task.fields[text]}'),
            TimeElapsedColumn(),
            TextColumn('left'),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            refresh_per_second=4,
            disable=not console.is_terminal,
        )

        # By the label of a run; several threads report.
        self._tasks: dict[str, TaskID] = {}
        self._quarters: dict[str, int] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> 'ProgressDisplay':
        self._bars.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._bars.stop()

    def start(self, label: str) -> None:
        """Show a run."""
        with self._lock:
            self._tasks[label] = self._bars.add_task(label, total=None, text='starting')
            self._quarters[label] = 0

    def update(self, label: str, message: dict) -> None:
        """Show a message of a run's process: ``step``, ``total`` and ``loss``, or ``stage``."""
        with self._lock:
            if 'stage' in message:
                self._bars.update(self._tasks[label], text=message['stage'])
                return

            step, total = message['step'], message['total']
            text = f'step {step}/{total}  loss {message["loss"]:.3f}'
            self._bars.update(self._tasks[label], completed=step, total=total, text=text)

            if not self.console.is_terminal and 4 * step // total > self._quarters[label]:
                self._quarters[label] = 4 * step // total
                self.console.print(f'{label}: {text}', highlight=False, soft_wrap=True)

    def finish(self, label: str, text: str) -> None:
        """Replace the line of a run by a lasting one."""
        with self._lock:
            self._bars.remove_task(self._tasks.pop(label))
            self.console.print(f'{label}: {text}', highlight=False, soft_wrap=True)
