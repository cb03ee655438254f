"""torchrun without its report of a failed process, which has said itself what was wrong.

python _torchrun.py [options of torchrun] SCRIPT [arguments of the script]
"""

import contextlib
import logging
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from _cli import CLAIMS
from _errors import explain

STOPPED = 143  # exit code of a training that was told to stop and can go on


def describe(exit_code: int, rank: int, log: Path | None) -> str:
    """How a process ended: its rank, its exit code or signal, and the log of the run."""
    if exit_code < 0:
        with contextlib.suppress(ValueError):
            name = signal.Signals(-exit_code).name
            how = f'was killed by {name}' + (' (out of memory?)' if name == 'SIGKILL' else '')
            return f'the process of rank {rank} {how}{log_note(log)}'
    return f'the process of rank {rank} ended with exit code {exit_code}{log_note(log)}'


def log_note(log: Path | None) -> str:
    """Where the log is."""
    return f' (log: {log})' if log else ''


def newest_log(arguments: Sequence[str]) -> Path | None:
    """The newest log in the folder of a run.

    Args:
        arguments: Those of train.py or test.py, the config first.
    """
    if not arguments:
        return None
    words = [part for word in arguments for part in word.split('=', 1)]
    given = dict(zip(words, words[1:], strict=False)).get('--work-dir')
    folder = Path(given or Path('work_dirs') / Path(arguments[0]).stem)
    logs = [path for path in folder.glob('*/*.log') if '_rank' not in path.name]
    return max(logs, key=lambda path: path.stat().st_mtime, default=None)


def main() -> None:
    """Run the tool."""
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import parse_args, run

    for name in ('multiprocessing.api', 'agent.server.api', 'multiprocessing.errors', 'rendezvous'):
        logging.getLogger(f'torch.distributed.elastic.{name}').setLevel(logging.CRITICAL)
    signals = 'SIGTERM,SIGINT,SIGHUP,SIGQUIT,SIGUSR1'  # handed on to the processes
    os.environ.setdefault('TORCHELASTIC_SIGNALS_TO_HANDLE', signals)
    args = parse_args(sys.argv[1:])
    prog = Path(args.training_script).name
    with tempfile.TemporaryDirectory(prefix='mmsemiloc-') as claims:
        os.environ[CLAIMS] = claims
        try:
            run(args)
        except ChildFailedError as error:
            rank, failure = error.get_first_failure()
            # The others fail because the first one has gone, and may end before it: that is one
            # that was killed, not by torchrun, or the one that has spoken.
            code = failure.exitcode
            for file in Path(claims).glob('*.said'):
                code, rank = map(int, file.read_text().split())
            for number, other in error.failures.items():
                if other.exitcode < 0 and other.exitcode != -signal.SIGTERM:
                    code, rank = other.exitcode, number
            if code not in (2, 130, STOPPED):
                log = newest_log(args.training_script_args)
                print(f'{prog}: error: {describe(code, rank, log)}', file=sys.stderr)
            sys.exit(code if code > 0 else 128 - code)
        except SignalException:
            # The processes have saved and said so, and this is how they ended.
            sys.exit(STOPPED)
        except Exception as error:  # no free port, or another machine that does not answer
            print(f'{prog}: error: {explain(error)}', file=sys.stderr)
            sys.exit(1)


if __name__ == '__main__':
    main()
