"""What the doors of the tools share.

It imports nothing slow, so that --help and wrong arguments are answered at once.
"""

import argparse
import contextlib
import importlib
import os
import re
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from _errors import explain, is_users, write_details

# A variable that each launcher sets for every process that it starts.
LAUNCHERS = {'pytorch': 'RANK', 'slurm': 'SLURM_PROCID', 'mpi': 'OMPI_COMM_WORLD_RANK'}
# Arguments that name a file or folder of results.
OUTPUTS = ('out', 'csv', 'markdown', 'html', 'plot', 'show_dir', 'work_dir')
CLAIMS = 'MMSEMILOC_CLAIMS'  # variable with the folder that _torchrun.py makes for its processes


class Parser(argparse.ArgumentParser):
    """Argument parser with an example below its help.

    Its errors are one line on stderr, with exit code 2.
    """

    def __init__(self, description: str, example: str, **kwargs: Any) -> None:
        super().__init__(
            description=description,
            epilog=f'example:\n  {example}',
            formatter_class=argparse.RawDescriptionHelpFormatter,
            **kwargs,
        )

    def error(self, message: str) -> NoReturn:
        """Print ``message`` as one line and exit."""
        self.exit(2, f'{self.prog}: error: {" ".join(message.split())}\n')


class KeyValues(argparse.Action):
    """Collects words ``key=value``.

    The commands read the values (``mmsemiloc.commands.common.read_options``).
    """

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Add ``values`` to the namespace."""
        if not all(value.partition('=')[0] and '=' in value for value in values):
            raise argparse.ArgumentError(self, f'expected key=value ..., got {" ".join(values)}')
        setattr(namespace, self.dest, [*(getattr(namespace, self.dest) or []), *values])


def positive(text: str) -> int:
    """Type of an argument: a whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f'expected a whole number of at least 1, got {text}')
    return int(text)


def pair(text: str) -> tuple[str, str]:
    """Type of an argument: two names."""
    first, colon, second = text.partition(':')
    if not (first and second) or ':' in second:
        raise argparse.ArgumentTypeError(f'expected NAME:NAME, got {text}')
    return first, second


def add_cfg_options(parser: Parser, of: str = 'the config') -> None:
    """Add ``--cfg-options``, whose values replace those ``of`` the config."""
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=KeyValues,
        metavar='KEY=VALUE',
        help=f'values that replace those of {of}, e.g. optim_wrapper.optimizer.lr=0.01',
    )


def add_steps(parser: Parser) -> None:
    """Add ``--steps``, another length of all runs."""
    parser.add_argument(
        '--steps',
        type=positive,
        metavar='N',
        help='optimizer steps, with all schedules in proportion, to try things out (default: '
        "the config's)",
    )


def add_runs(parser: Parser, work_dir: str) -> None:
    """Add the arguments of tools that launch several runs."""
    parser.add_argument(
        '--seeds', nargs='+', type=int, default=[0, 1, 2], metavar='SEED', help='(default: 0 1 2)'
    )
    parser.add_argument(
        '--jobs', type=positive, default=1, metavar='N', help='runs side by side (default: 1)'
    )
    parser.add_argument(
        '--threads',
        type=positive,
        default=1,
        metavar='N',
        help='CPU threads of each run (default: 1)',
    )
    parser.add_argument(
        '--work-dir',
        type=Path,
        default=Path(work_dir),
        metavar='DIR',
        help=f'folder of all runs (default: {work_dir})',
    )
    add_force(parser)


def add_force(parser: Parser) -> None:
    """Add ``--force``."""
    parser.add_argument('--force', action='store_true', help='train again what is finished already')


def add_tables(parser: Parser) -> None:
    """Add the files that tables and their values are written to."""
    parser.add_argument('--csv', type=Path, metavar='FILE', help='write one row per run to FILE')
    parser.add_argument(
        '--markdown', type=Path, metavar='FILE', help='write the tables as Markdown to FILE'
    )


def add_runner_arguments(parser: Parser) -> None:
    """Add the arguments that every tool that builds a runner has."""
    parser.add_argument(
        '--work-dir',
        metavar='DIR',
        help='folder of logs and checkpoints (default: that of the config, '
        'else work_dirs/<name of the config>)',
    )
    add_cfg_options(parser)
    parser.add_argument(
        '--launcher',
        choices=['none', *LAUNCHERS],
        default='none',
        help='what started the processes',
    )
    # Older launchers pass one of the two spellings instead of setting LOCAL_RANK.
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)


def run_command(parser: Parser, name: str, room: str = 'mmsemiloc.commands') -> NoReturn:
    """Parse the arguments, then call ``run(args)`` of ``<room>.<name>``.

    The command is imported only then: torch and the OpenMMLab packages take seconds. ``run``
    returns the exit code. What it raises is one line on stderr, and the traceback goes to the log
    of the run. Exit code 2 stands for what the user can mend, 130 for Ctrl-C, 143 for a training
    that was told to stop and can go on, 1 for anything else.
    """
    args = parser.parse_args()
    distributed = is_launched(parser, getattr(args, 'launcher', 'none'))
    check_outputs(parser, args)

    os.environ['MPLBACKEND'] = 'agg'  # pictures are files; a notebook's backend is only there
    try:
        importlib.import_module('mmsemiloc.commands.notices').leave_out_notices()
        code = importlib.import_module(f'{room}.{name}').run(args)
    except SystemExit as error:  # a training that was told to stop says what it has done
        reason = getattr(error, 'reason', None)
        if reason is None or not isinstance(error.code, int):
            raise
        stop(error.code, f'{parser.prog}: {reason}', distributed=distributed)
    except KeyboardInterrupt as error:
        stop(130, f'{parser.prog}: {str(error) or "stopped"}', distributed=distributed)
    except Exception as error:
        stop(
            2 if is_users(error) else 1,
            f'{parser.prog}: error: {explain(error)}',
            error,
            distributed,
        )
    sys.exit(code)


def is_launched(parser: Parser, launcher: str) -> bool:
    """Whether a launcher has started this process; an error if it should have, and has not."""
    if launcher == 'none':
        return False
    if LAUNCHERS[launcher] not in os.environ:
        parser.error(
            f'--launcher {launcher}, but {LAUNCHERS[launcher]} is not set: start with '
            'tools/dist_train.sh, tools/dist_test.sh or tools/slurm_train.sh'
        )
    return True


def check_outputs(parser: Parser, args: argparse.Namespace) -> None:
    """Refuse places of results that cannot be written, before the work starts."""
    for name in OUTPUTS:
        value = getattr(args, name, None)
        if not isinstance(value, str | Path):
            continue

        path, option = Path(value).absolute(), f'--{name.replace("_", "-")} {value}'
        folder = path.parent if path.suffix and not path.is_dir() else path
        there = next(part for part in (folder, *folder.parents) if part.exists())
        if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
            parser.error(f'{option}: {there} is not a folder that can be written')
        if path.is_file() and not os.access(path, os.W_OK):
            parser.error(f'{option}: the file is there and cannot be written')


def stop(
    code: int, line: str, error: Exception | None = None, distributed: bool = False
) -> NoReturn:
    """End the process after a line on stderr, which one process of a distributed run prints.

    Args:
        code: Exit code.
        line: What to print.
        error: Its traceback goes to the log of the run; without one, that of an error that is not
            the user's goes to stderr.
        distributed: Whether a launcher has started this process beside others.
    """
    with first_to_stop(distributed, code) as first:
        details = write_details(error) if error else None
        if first:
            if error and not details and code == 1:
                traceback.print_exception(error)
            print(f'{line} (details: {details})' if details else line, file=sys.stderr, flush=True)

    if distributed:
        # Not sys.exit: threads that still wait for the other processes would abort this one, with
        # another exit code.
        sys.stdout.flush()
        os._exit(code)
    sys.exit(code)


@contextlib.contextmanager
def first_to_stop(distributed: bool, code: int = 2) -> Iterator[bool]:
    """Whether this process is the first one of its run, on its machine, that comes here.

    The others wait until that one leaves the block, for some seconds: a launcher ends all
    processes as soon as one has ended.
    """
    if not distributed:
        yield True
        return

    # A file that only one process of the run can make.
    names = (
        'MASTER_PORT',
        'TORCHELASTIC_RUN_ID',
        'TORCHELASTIC_RESTART_COUNT',
        'SLURM_JOB_ID',
        'SLURM_STEP_ID',
        'PMIX_NAMESPACE',
    )
    run = '-'.join(re.sub(r'\W', '_', os.environ.get(name, '')) for name in names)
    claim = os.path.join(
        os.environ.get(CLAIMS) or tempfile.gettempdir(),
        f'mmsemiloc-{os.getuid()}-{os.getppid()}-{run}',
    )

    try:
        os.close(os.open(claim, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        yield False
        for _ in range(50):
            if os.path.exists(f'{claim}.said'):
                break
            time.sleep(0.1)
        return

    try:
        yield True
    finally:
        # For the launcher, which may see the others end first.
        Path(f'{claim}.said').write_text(f'{code} {os.environ.get("RANK", 0)}')
