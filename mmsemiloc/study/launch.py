"""Several runs side by side, each in a process of its own."""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from rich.console import Console

from mmsemiloc.study.progress import ProgressDisplay
from mmsemiloc.study.results import Failure, Result
from mmsemiloc.study.runs import Run

THREAD_VARIABLES = ('OMP_NUM_THREADS', 'MKL_NUM_THREADS', 'OPENBLAS_NUM_THREADS')


def prepare(run: Run, force: bool) -> None:
    """Make the run's folder; what an interrupted run left in it is removed.

    With ``force``, a finished run is removed as well.
    """
    if force or not run.trained.is_file():
        shutil.rmtree(run.folder, ignore_errors=True)
    run.folder.mkdir(parents=True, exist_ok=True)
    run.cfg.dump(str(run.config))


def failure(run: Run, exit_code: int, start: int = 0) -> Failure:
    """What a run's log says about its end: the last error, else the last line.

    Args:
        run: The run.
        exit_code: Of its process; -N for signal N.
        start: Length of the log when the process began: what stands before is of another one.
    """
    if exit_code < 0:
        guess = ' (out of memory?)' if exit_code == -9 else ''
        return Failure(run.label, f'killed by signal {-exit_code}{guess}', run.log)

    text = run.log.read_bytes()[start:].decode(errors='replace')
    lines = [line for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r'[\w.]+(Error|Exception|Interrupt)\b', line)]
    return Failure(run.label, (errors or lines or [f'exit code {exit_code}'])[-1], run.log)


def execute(
    run: Run,
    split: str,
    threads: int,
    processes: list[subprocess.Popen],
    report: Callable[[dict], None],
) -> Result | Failure:
    """Train and evaluate in a process, and wait for it.

    Its messages come through a pipe of their own, so that nothing that an import or a library
    prints is taken for one. All that is printed goes to the log of the run.

    Args:
        run: A prepared run.
        split: 'val' or 'test'.
        threads: CPU threads of the process.
        processes: The process is added to this list.
        report: Called with each message of the process.
    """
    environment = {**os.environ, **dict.fromkeys(THREAD_VARIABLES, str(threads))}
    receiver, sender = os.pipe()
    command = [sys.executable, '-m', run.worker, str(run.folder), split, str(sender)]

    with open(receiver) as messages, run.log.open('a') as log:
        start = log.tell()
        try:
            process = subprocess.Popen(
                command, stdout=log, stderr=log, env=environment, pass_fds=[sender]
            )
        finally:
            os.close(sender)  # the messages end when the process does
        processes.append(process)

        with process:
            for line in messages:
                if line.endswith('\n'):  # a process that was killed may leave half a line
                    report(json.loads(line))

    result = run.result(split)
    if process.returncode == 0 and result is not None:
        return result
    return failure(run, process.returncode, start)


def launch(
    runs: Sequence[Run],
    split: str,
    display: ProgressDisplay,
    jobs: int = 1,
    threads: int = 1,
    force: bool = False,
) -> list[Result | Failure]:
    """Train and evaluate all runs, several at a time.

    A failed run does not stop the others, and a finished one is read back.

    Args:
        runs: Runs with different folders.
        split: 'val' or 'test'.
        display: Where progress is shown.
        jobs: Runs side by side.
        threads: CPU threads of each.
        force: Whether to train finished runs again.

    Returns:
        One result or failure per run, in order.

    Raises:
        KeyboardInterrupt: On Ctrl-C, once the processes have ended.
    """
    processes: list[subprocess.Popen] = []

    def do(run: Run) -> Result | Failure:
        done = None if force else run.result(split)
        if done is not None:
            display.console.print(
                f'{run.label}: {done.summary} (read back)', highlight=False, soft_wrap=True
            )
            return done

        display.start(run.label)
        prepare(run, force)
        result = execute(
            run, split, threads, processes, lambda message: display.update(run.label, message)
        )

        display.finish(run.label, result.summary)
        return result

    with ThreadPoolExecutor(jobs) as pool, stopping(processes):
        try:
            return list(pool.map(do, runs))
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            raise KeyboardInterrupt(
                'stopped; the same command goes on with the runs that are not finished'
            ) from None


@contextlib.contextmanager
def stopping(processes: list[subprocess.Popen]) -> Iterator[None]:
    """End the processes that still run when the block is left, after Ctrl-C for example."""
    try:
        yield
    finally:
        for process in processes:
            if process.poll() is None:
                process.terminate()


def print_failures(outcomes: Sequence[Result | Failure], console: Console) -> bool:
    """Name the runs that failed, with their errors and logs; whether there are any."""
    failures = [outcome for outcome in outcomes if isinstance(outcome, Failure)]
    for failed in failures:
        line = f'FAILED {failed.label}: {failed.message}\n  log: {failed.log}'
        console.print(line, markup=False, soft_wrap=True)
    return bool(failures)
