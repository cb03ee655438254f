"""Which interpreter the shell scripts take."""

import os
import shutil
import subprocess

import pytest

from tests.tools.conftest import ROOT

CALLS = {
    'dist_train.sh': ['c.py', '2'],
    'dist_test.sh': ['c.py', 'c.pth', '2'],
    'slurm_train.sh': ['part', 'job', 'c.py', 'out'],
}


def fake(path, text):
    """An executable shell script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'#!/bin/bash\n{text}\n')
    path.chmod(0o755)
    return path


@pytest.fixture
def checkout(tmp_path):
    """A checkout without .venv, and a PATH with an srun and a Python without torch."""
    shutil.copytree(ROOT / 'tools', tmp_path / 'repo/tools')
    shutil.copy(ROOT / 'Makefile', tmp_path / 'repo')
    for name in ('bash', 'dirname', 'basename', 'nproc', 'sed'):
        (tmp_path / 'bin').mkdir(exist_ok=True)
        (tmp_path / 'bin' / name).symlink_to(shutil.which(name))
    fake(tmp_path / 'bin/srun', 'echo srun "$@"')
    fake(tmp_path / 'bin/python', 'exit 1')
    return tmp_path / 'repo'


def call(checkout, tool, **environment):
    """What a script prints."""
    clean = {
        name: value
        for name, value in os.environ.items()
        if name not in ('PYTHON', 'VIRTUAL_ENV', 'PYTHONPATH')
    }
    clean['PATH'] = str(checkout.parent / 'bin')
    return subprocess.run(
        [checkout / 'tools' / tool, *CALLS[tool]],
        env={**clean, **environment},
        capture_output=True,
        text=True,
    )


def with_torch(path):
    """An interpreter that has torch, and says what it is to run."""
    return fake(path, '[[ $1 == -c ]] || echo "$0 runs $*"')


@pytest.mark.parametrize('tool', CALLS)
def test_the_order_in_which_interpreters_are_taken(checkout, tool):
    missing = call(checkout, tool)
    assert (
        missing.returncode == 2
        and missing.stdout == ''
        and missing.stderr
        == (
            f"{tool}: error: no Python with torch: run 'make env' in {checkout}, "
            'activate an environment that has it, '
            'or set PYTHON=/path/to/python\n'
        )
    )

    environment = {}
    for path in (
        'bin/python3',
        'active/bin/python',
        'repo/.venv/bin/python',
        'own/python',
    ):  # the later the stronger
        interpreter = with_torch(checkout.parent / path)
        if path == 'active/bin/python':
            environment['VIRTUAL_ENV'] = str(interpreter.parents[1])
        if path == 'own/python':
            environment['PYTHON'] = str(interpreter)
        done = call(checkout, tool, **environment)
        assert done.returncode == 0 and path in done.stdout.replace(' python3 ', ' bin/python3 ')
        assert done.stdout.startswith('srun ') == (tool == 'slurm_train.sh')


def test_an_environment_that_was_not_finished_is_passed_over(checkout):
    fake(checkout / '.venv/bin/python', 'exit 1')
    with_torch(checkout.parent / 'bin/python3')
    assert 'python3 runs' in call(checkout, 'dist_train.sh').stdout


def test_a_wrong_python_is_one_line(checkout):
    done = call(checkout, 'dist_train.sh', PYTHON='/no/python')
    line = 'dist_train.sh: error: PYTHON=/no/python does not run, or has no torch\n'
    assert done.returncode == 2 and done.stderr == line


def test_on_a_cluster_the_nodes_may_have_another_python(checkout):
    assert '/no/python -u' in call(checkout, 'slurm_train.sh', PYTHON='/no/python').stdout


def test_without_slurm(checkout):
    (checkout.parent / 'bin/srun').unlink()
    done = call(checkout, 'slurm_train.sh', PYTHON='/no/python')
    assert done.returncode == 2 and done.stderr.count('\n') == 1
    assert done.stderr.startswith('slurm_train.sh: error: no srun on PATH')


def test_an_installed_package_has_no_makefile(checkout):
    (checkout / 'Makefile').unlink()
    assert 'no Python with torch: activate an environment' in call(checkout, 'dist_train.sh').stderr
