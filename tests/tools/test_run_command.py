"""How tools end: one line and an exit code for every error, once for all processes."""

import os
import re
import signal
import subprocess
import sys
import time

import pytest

from tests.tools.conftest import ROOT, WITHOUT_OPS
from tests.tools.test_doors import TOOLS

HOOK = '''
import os
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

@HOOKS.register_module()
class Fails(Hook):
    """Fails after the second step, on all ranks or on one."""
    def __init__(self, error, rank=None):
        self.error, self.rank = error, rank

    def after_train_iter(self, runner, *args, **kwargs):
        if runner.iter == 1 and self.rank in (None, runner.rank):
            if self.error == 'kill':
                os.kill(os.getpid(), 9)
            raise eval(self.error)
'''
LATE = """
_base_ = 'mini.py'
custom_imports = dict(imports=['fails'])
custom_hooks = [dict(type='Fails', error='{}', rank={})]
"""
NOTICES = 'OneDL|NMS|MultiScale'


@pytest.fixture(scope='module')
def late(folder):
    """A function that writes a config whose training fails with an error, and returns its name."""
    (folder / 'fails.py').write_text(HOOK)

    def write(error, rank=None):
        (folder / 'late.py').write_text(LATE.format(error, rank))
        return folder / 'late.py'

    return write


def run(tool, *args, cwd, **env):
    """Run a tool; its exit code, and what it printed."""
    command = (
        [sys.executable, ROOT / 'tools' / tool]
        if tool.endswith('.py')
        else ['bash', ROOT / 'tools' / tool]
    )
    path = os.pathsep.join([str(cwd), str(ROOT), env.pop('PYTHONPATH', '')])
    return subprocess.run(
        [*command, *map(str, args)],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, 'PYTHON': sys.executable, 'PYTHONPATH': path, **env},
    )


def log_named(line, folder):
    """The log that the end of a line names."""
    return (folder / re.search(r' \(details: (\S+)\)\n$', line)[1]).read_text()


@pytest.mark.parametrize(
    'error, code, line',
    [
        ('ValueError("two  lines")', 2, 'train.py: error: two lines (details: '),
        (
            'IndexError("list index out of range")',
            1,
            'train.py: error: IndexError: list index out of range (details: ',
        ),
    ],
)
def test_an_error_of_a_training_is_one_line(late, folder, error, code, line):
    done = run('train.py', late(error), cwd=folder)
    assert done.returncode == code and done.stderr.startswith(line) and done.stderr.count('\n') == 1
    assert 'Traceback' not in done.stdout
    log = log_named(done.stderr, folder)
    assert 'Traceback (most recent call last)' in log and 'in after_train_iter' in log


def test_without_a_log_a_fault_of_the_program_shows_its_traceback(parse, monkeypatch, capsys):
    parse('make_split', 'x', '--out', 'y')  # puts tools/ on the path
    import _cli
    from mmsemiloc.commands import make_split

    for error, code, shown in ((RuntimeError('bug'), 1, True), (ValueError('wrong'), 2, False)):
        monkeypatch.setattr(sys, 'argv', ['make_split.py', 'x', '--out', 'y'])
        monkeypatch.setattr(
            make_split, 'run', lambda args, error=error: (_ for _ in ()).throw(error)
        )
        monkeypatch.setattr(_cli, 'write_details', lambda error: None)
        with pytest.raises(SystemExit) as stop:
            importlib_main()
        printed = capsys.readouterr().err
        assert stop.value.code == code and ('Traceback' in printed) == shown
        assert printed.splitlines()[-1].startswith('make_split.py: error: ')


def importlib_main():
    """The main function of tools/make_split.py."""
    import make_split

    make_split.main()


def test_ctrl_c_is_one_line(folder):
    command = [
        sys.executable,
        ROOT / 'tools/train.py',
        'mini.py',
        '--cfg-options',
        'train_cfg.max_epochs=100000',
    ]

    # Tests that a shell runs in the background have Ctrl-C switched off, and so would the tool.
    def heed():
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    process = subprocess.Popen(
        command,
        cwd=folder,
        preexec_fn=heed,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
    )
    for line in process.stdout:
        if 'Epoch(train)' in line:
            break
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 143 and re.fullmatch(
        'train.py: stopped by SIGINT after iteration \\d+, in an epoch whose order cannot be '
        'entered in its middle: nothing is saved; go on with --resume\n',
        errors,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    'arguments, line',
    [
        (['nowhere.py', 2], 'train.py: error: no such config file: nowhere.py\n'),
        (
            ['mini.py', 2, '--cfg-options', 'model.type=Nonsense'],
            'train.py: error: KeyError: Nonsense is not in the ',
        ),
    ],
)
def test_an_error_of_all_ranks_is_said_once(folder, arguments, line):
    done = run('dist_train.sh', *arguments, cwd=folder)
    assert done.returncode == 2 and done.stderr.startswith(line) and done.stderr.count('\n') == 1


@pytest.mark.slow
@pytest.mark.parametrize('rank', [0, 1])
def test_an_error_of_one_rank_is_said_once(late, folder, rank):
    done = run('dist_train.sh', late('ValueError("bad image")', rank), 2, cwd=folder)
    assert done.returncode == 2 and done.stderr.count('\n') == 1
    assert done.stderr.startswith('train.py: error: bad image (details: ')
    assert 'ValueError: bad image' in log_named(done.stderr, folder)


@pytest.mark.slow
def test_a_fault_of_one_rank_names_the_rank_and_the_log(late, folder):
    done = run('dist_train.sh', late('RuntimeError("bug")', 1), 2, cwd=folder)
    first, second = done.stderr.splitlines()
    assert done.returncode == 1 and first.startswith(
        'train.py: error: RuntimeError: bug (details: '
    )
    assert re.fullmatch(
        r'train.py: error: the process of rank 1 ended with exit code 1 '
        r'\(log: work_dirs/late/\S+\)',
        second,
    )


@pytest.mark.slow
def test_a_killed_rank_is_named(late, folder):
    done = run('dist_train.sh', late('kill', 1), 2, cwd=folder)
    last = done.stderr.splitlines()[-1]
    assert done.returncode == 137 and len(done.stderr.splitlines()) <= 2
    assert last.startswith(
        'train.py: error: the process of rank 1 was killed by SIGKILL (out of memory?) (log: '
    )


STOP = """
import sys
sys.path.insert(0, sys.argv[1])
import _cli
_cli.stop(2, 'said', distributed=True)
"""


def test_of_processes_of_a_run_the_first_one_speaks(tmp_path):
    """Also without torchrun, as under Slurm."""

    def start(step):
        slurm = {
            'SLURM_PROCID': '0',
            'SLURM_JOB_ID': '7',
            'SLURM_STEP_ID': step,
            'TMPDIR': str(tmp_path),
        }
        return subprocess.Popen(
            [sys.executable, '-c', STOP, ROOT / 'tools'],
            env={**os.environ, **slurm},
            stderr=subprocess.PIPE,
            text=True,
        )

    same, other = [start('0') for _ in range(4)], [start('1')]
    for group in (same, other):
        errors = [process.communicate(timeout=60)[1] for process in group]
        assert sorted(errors) == [''] * (len(group) - 1) + ['said\n'] and {
            process.returncode for process in group
        } == {2}


def test_the_others_wait_for_the_first(tmp_path, parse, monkeypatch):
    """A launcher ends all processes when one has ended: that must not be one that says nothing."""
    parse('make_split', 'x', '--out', 'y')  # puts tools/ on the path
    import _cli

    monkeypatch.setenv(_cli.CLAIMS, str(tmp_path))
    with _cli.first_to_stop(True) as first:
        assert first
        start = time.monotonic()
        monkeypatch.setattr(time, 'sleep', lambda seconds: None)
        with _cli.first_to_stop(True) as second:
            assert not second
    assert len(os.listdir(tmp_path)) == 2 and time.monotonic() - start < 5


ALL = """
import importlib, sys, types
sys.path.insert(0, sys.argv[1])
import _cli
tools = sys.argv[2:]
sys.argv = ['all.py']
work = types.ModuleType('all')

def run(args):
    import matplotlib.pyplot, mmpretrain.datasets, mmpretrain.models
    for tool in tools:
        room = 'benchmarks.command' if tool == 'benchmark' else f'mmsemiloc.commands.{tool}'
        importlib.import_module(room)
    return 0

work.run = run
sys.modules['mmsemiloc.commands.all'] = work
_cli.run_command(_cli.Parser('', ''), 'all')
"""


def test_importing_the_work_of_all_tools_is_quiet_and_needs_no_backend(tmp_path):
    """Without mmcv's ops, and with the matplotlib backend of a notebook that is not there."""
    (tmp_path / 'sitecustomize.py').write_text(WITHOUT_OPS)
    environment = {
        **os.environ,
        'PYTHONPATH': f'{tmp_path}:{ROOT}',
        'MPLBACKEND': 'module://matplotlib_inline.backend_inline',
    }
    done = subprocess.run(
        [sys.executable, '-c', ALL, ROOT / 'tools', *TOOLS],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, '', '')


def test_the_notices_and_the_backend_are_there_without_us(tmp_path):
    """Negative control."""
    (tmp_path / 'sitecustomize.py').write_text(WITHOUT_OPS)
    environment = {
        **os.environ,
        'PYTHONPATH': f'{tmp_path}:{ROOT}',
        'MPLBACKEND': 'module://matplotlib_inline.backend_inline',
    }
    imports = {
        'import mmpretrain.datasets, mmpretrain.models': NOTICES,
        'import matplotlib.pyplot': 'ValueError',
    }
    for code, expected in imports.items():
        done = subprocess.run(
            [sys.executable, '-c', code],
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert re.search(expected, done.stdout + done.stderr)


@pytest.mark.slow
def test_training_with_the_backend_of_a_notebook(folder):
    done = run(
        'train.py',
        'mini.py',
        '--work-dir',
        'notebook',
        cwd=folder,
        MPLBACKEND='module://matplotlib_inline.backend_inline',
    )
    assert done.returncode == 0 and not re.search(NOTICES, done.stdout + done.stderr)
