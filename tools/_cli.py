"""What the doors of the tools share. It imports nothing slow, so that --help and wrong arguments are answered at once."""
import argparse
import contextlib
import importlib
import sys
from collections.abc import Iterator
from typing import NoReturn

# A variable that each launcher sets for every process that it starts.
LAUNCHERS = {'none': '', 'pytorch': 'RANK', 'slurm': 'SLURM_PROCID', 'mpi': 'OMPI_COMM_WORLD_RANK'}


class Parser(argparse.ArgumentParser):
    """Argument parser with an example below its help, whose errors are one line on stderr and exit code 2."""

    def __init__(self, description: str, example: str, **kwargs) -> None:
        super().__init__(description=description, epilog=f'example:\n  {example}',
                         formatter_class=argparse.RawDescriptionHelpFormatter, **kwargs)

    def error(self, message: str) -> NoReturn:
        """Print ``message`` as one line and exit."""
        self.exit(2, f'{self.prog}: error: {" ".join(message.split())}\n')

    @contextlib.contextmanager
    def one_line_errors(self) -> Iterator[None]:
        """Report what a wrong config or argument raises as one line instead of a traceback."""
        try:
            yield
        except ValueError as error:
            self.error(str(error))
        except (KeyError, TypeError, ImportError) as error:
            self.error(f'{type(error).__name__}: {error}')


class KeyValues(argparse.Action):
    """Collects words ``key=value``; the commands read the values (``mmsemiloc.commands.common.read_options``)."""

    def __call__(self, parser, namespace, values, option_string=None) -> None:
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
    parser.add_argument('--cfg-options', nargs='+', action=KeyValues, metavar='KEY=VALUE',
                        help=f'values that replace those of {of}, e.g. optim_wrapper.optimizer.lr=0.01')


def add_runner_arguments(parser: Parser) -> None:
    """Add the arguments that every tool that builds a runner has."""
    parser.add_argument('--work-dir', metavar='DIR', help='folder of logs and checkpoints (default: that of the config, '
                        'else work_dirs/<name of the config>)')
    add_cfg_options(parser)
    parser.add_argument('--launcher', choices=list(LAUNCHERS), default='none', help='what started the processes')
    # Older launchers pass one of the two spellings instead of setting LOCAL_RANK.
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)


def run_command(parser: Parser, name: str) -> NoReturn:
    """Parse the arguments, then import ``mmsemiloc.commands.<name>`` and call its ``run(args)``, which returns the exit code.

    The work is not imported before: torch and the OpenMMLab packages take seconds.
    """
    args = parser.parse_args()
    with parser.one_line_errors():
        code = importlib.import_module(f'mmsemiloc.commands.{name}').run(args)
    sys.exit(code)
