"""What the processes of runs print does not get among their messages, and how they end is told."""

import os
from dataclasses import dataclass

import pytest
from mmengine.config import Config

from mmsemiloc.files import write_json
from mmsemiloc.study.launch import execute
from mmsemiloc.study.results import Failure, Result
from mmsemiloc.study.runs import Run
from tests.study.conftest import make_result
from tests.tools.conftest import ROOT, run_tool

# As mmdet without the C++ ops of mmcv: it prints, warns, and cannot be imported.
BROKEN_MMDET = """
import sys, warnings
print('{"step": "printed by an import"}')
print('Could not import OneDL. Skipping OneDL datasets.')
sys.stdout.flush()
warnings.warn('no ops')
raise ModuleNotFoundError("No module named 'mmcv._ext'")
"""
NOISE = "import os\nprint('noise at the start', flush=True)\nos.write(1, b'more noise')\n"
WORKER = """
import os
try:
    import mmdet
except ImportError:
    pass
from mmsemiloc.study.worker import run_process

def work(run, split, send):
    print('printed by the work', flush=True)
    os.system('echo printed by a program')
    send(dict(stage=split))
    {}

run_process(work)
"""


@dataclass(frozen=True)
class FakeRun(Run):
    """A run whose process is a module of the test."""

    worker = 'fake_worker'


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run, and a function that says what its process does; packages that print lie in its way."""
    site = tmp_path / 'site'
    (site / 'mmdet').mkdir(parents=True)
    (site / 'mmdet/__init__.py').write_text(BROKEN_MMDET)
    (site / 'sitecustomize.py').write_text(NOISE)
    monkeypatch.setenv('PYTHONPATH', f'{site}{os.pathsep}{ROOT}')
    folder = tmp_path / 'run'
    folder.mkdir()
    run = FakeRun('fake', 0, folder, Config(dict(randomness=dict(seed=0))))
    run.cfg.dump(str(run.config))

    def do(work):
        (site / 'fake_worker.py').write_text(WORKER.format(work))
        messages, processes = [], []
        outcome = execute(run, 'val', 1, processes, messages.append)
        assert processes[0].poll() is not None
        return outcome, messages

    return run, do


def test_what_imports_print_is_no_message(run):
    run, do = run
    training = dict(steps=1, images=1, seconds=1.0, memory_mib=1.0, curves={})
    write_json(run.trained, training)
    write_json(run.evaluated('val'), make_result('fake', 0, 50.0).metrics)
    outcome, messages = do('send(dict(step=1))')
    assert messages == [dict(stage='val'), dict(step=1)] and isinstance(outcome, Result)
    log = run.log.read_text()
    for printed in (
        'noise at the start',
        'more noise',
        'printed by an import',
        'no ops',
        'printed by the work',
        'printed by a program',
    ):
        assert printed in log


@pytest.mark.parametrize(
    'work, message',
    [
        ('import no_such_module', "ModuleNotFoundError: No module named 'no_such_module'"),
        ('raise SystemExit("gave up")', 'gave up'),
        ('os._exit(3)', 'printed by a program'),
        (
            'os.write(int(__import__("sys").argv[3]), b"half a li"); os.kill(os.getpid(), 9)',
            'killed by signal 9 (out of memory?)',
        ),
    ],
)
def test_a_broken_process_is_a_failure_with_its_error(run, work, message):
    run, do = run
    run.log.write_text('Traceback\nValueError: of an earlier attempt\n')
    outcome, messages = do(work)
    assert outcome == Failure('fake seed 0', message, run.log) and messages == [dict(stage='val')]


def test_a_process_that_cannot_start_is_a_failure(run, monkeypatch):
    run, do = run
    monkeypatch.setenv('PYTHONHOME', '/nowhere')
    outcome, messages = do('pass')
    assert isinstance(outcome, Failure) and outcome.message and not messages


@pytest.mark.slow
def test_a_study_beside_an_mmdet_without_ops_and_imports_that_print(run, tmp_path):
    stdout, _ = run_tool(
        'study.py',
        ROOT / 'configs/digits/digits_ce.py',
        '--seeds',
        0,
        '--steps',
        2,
        '--work-dir',
        tmp_path,
        '--cfg-options',
        'val_dataloader.dataset.num_images=20',
    )
    assert 'digits_ce seed 0: val accuracy ' in stdout
    (log,) = tmp_path.glob('digits_ce-*/seed0/console.log')
    assert 'printed by an import' in log.read_text()
