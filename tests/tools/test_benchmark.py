import pytest

from tests.tools.conftest import run_tool


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
def test_localization_prints_a_row_a_size():
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


@pytest.mark.parametrize('part', ['nbel', 'nbel-bias', 'sampler', 'locality', 'localization'])
def test_help_has_an_example(part):
    assert (
        f'example:\n  python tools/benchmark.py {part}'
        in run_tool('benchmark.py', part, '--help')[0]
    )
