"""tools/benchmark.py: every part prints its tables, from any folder."""

import os
import shutil
import subprocess
import sys

import pytest

from tests.tools.conftest import ROOT, run_tool


@pytest.mark.slow
def test_nbel_prints_both_tables(tmp_path):
    stdout, _ = run_tool(
        'benchmark.py',
        'nbel',
        '--micro-batches',
        1,
        2,
        '--micro-batch-size',
        1,
        '--image-size',
        64,
        '--repeats',
        1,
        '--markdown',
        tmp_path / 'nbel.md',
    )
    assert 'DenseNet-121' in stdout
    text = (tmp_path / 'nbel.md').read_text()
    assert text.count('micro-batches of 1 images of 64 pixels') == 2
    assert '| M | plain s | exact / plain | (4M-1)/(3M) | one big batch / plain |' in text
    unit = text.split('peak memory')[1].split('| 1 |')[1].split('|')[0]
    assert float(unit) == 1 and text.count('| 2 |') == 2


def test_nbel_bias_and_what_it_refuses(refuse, tmp_path):
    stdout, _ = run_tool('benchmark.py', 'nbel-bias', '--classes', 10, '--batch-sizes', 1, 64)
    assert 'C = 10' in stdout and '1.00' in stdout
    assert 'divide the 16384 images, got 3' in refuse(
        'benchmark', 'nbel-bias', '--classes', '10', '--batch-sizes', '3'
    )


@pytest.mark.slow
def test_localization_prints_one_row_per_size():
    stdout, _ = run_tool('benchmark.py', 'localization', '--maps', 2, '--repeats', 1)
    rows = [line.split() for line in stdout.splitlines() if ' at ' in line and ' x ' in line]
    assert [row[0] for row in rows] == ['8', '7', '14'] and all(float(row[-1]) > 0 for row in rows)


def test_locality_prints_both_tables(tmp_path):
    run_tool(
        'benchmark.py',
        'locality',
        '--sizes',
        3,
        5,
        '--images',
        2,
        '--step-images',
        2,
        '--image-size',
        64,
        '--repeats',
        1,
        '--markdown',
        tmp_path / 'locality.md',
    )
    text = (tmp_path / 'locality.md').read_text()
    assert (
        '| 3x3 |' in text
        and '| 5x5 |' in text
        and '| training step |' in text
        and '2 images of 64 pixels' in text
    )


@pytest.mark.parametrize(
    'part', ['nbel', 'nbel-bias', 'sampler', 'locality', 'localization', 'fit']
)
def test_help_has_an_example(part):
    assert (
        f'example:\n  python tools/benchmark.py {part}'
        in run_tool('benchmark.py', part, '--help')[0]
    )


def run_from(folder, tool, *arguments):
    """Run a copy of the tool in another current folder, without the repository on the path."""
    environment = {name: value for name, value in os.environ.items() if name != 'PYTHONPATH'}
    command = [sys.executable, tool, *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def test_it_works_from_any_folder(tmp_path):
    arguments = ('nbel-bias', '--classes', '10', '--batch-sizes', '1')
    done = run_from(tmp_path, ROOT / 'tools/benchmark.py', *arguments)
    assert done.returncode == 0 and 'C = 10' in done.stdout


def test_without_the_folder_it_says_in_one_line_what_to_do(tmp_path):
    """As in an installed wheel, which has the tools alone."""
    shutil.copytree(ROOT / 'tools', tmp_path / 'tools')
    done = run_from(tmp_path, tmp_path / 'tools/benchmark.py', 'nbel-bias')
    assert done.returncode == 2 and 'run this tool in a clone of the repository' in done.stderr
    lines = done.stderr.splitlines()
    assert len([line for line in lines if line.startswith('benchmark.py: error:')]) == 1

    helped = run_from(tmp_path, tmp_path / 'tools/benchmark.py', 'nbel-bias', '--help')
    assert helped.returncode == 0 and '--batch-sizes' in helped.stdout
