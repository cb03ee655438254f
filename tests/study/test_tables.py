"""Tables on wide and narrow terminals, and in Markdown."""

import io

import pytest
from rich.console import Console

from mmsemiloc.study.comparison import difference_table, spread_table
from mmsemiloc.study.tables import Table, print_table
from tests.study.conftest import make_result

CE = [make_result('ce', seed, value) for seed, value in enumerate([50.0, 52.0, 57.0])]
FULL = [make_result('full', seed, value) for seed, value in enumerate([56.0, 55.0, 64.0])]


def test_markdown_and_terminal():
    table = spread_table(CE + FULL)
    lines = table.to_markdown().splitlines()
    assert len(lines) == 4 and len({line.count('|') for line in lines}) == 1
    console = Console(width=80, record=True)
    console.print(table.to_rich())
    assert '58.3 ± 4.9' in console.export_text()  # values are not cut on a narrow terminal


def test_no_column_falls_off_a_narrow_terminal():
    columns = [
        'model',
        'accuracy %',
        'classes used',
        'MaxBoxAccV2 %',
        'CAM in box %',
        'CAM area %',
        'steps',
        'seconds',
    ]
    console = Console(width=80, record=True)
    console.print(
        Table(
            'title',
            columns,
            [['uniform map', '1.5', '10 of 10', '2.5', '3.5', '100.0', '3000', '170']],
        ).to_rich()
    )
    assert console.export_text().splitlines()[-2].split() == [
        'uniform',
        'map',
        '1.5',
        '10',
        'of',
        '10',
        '2.5',
        '3.5',
        '100.0',
        '3000',
        '170',
    ]


def printed(table, width):
    """The lines that a table takes on a terminal."""
    console = Console(width=width, record=True, file=io.StringIO())
    print_table(table, console)
    assert console.width == width
    return [line.rstrip() for line in console.export_text().splitlines()]


@pytest.mark.parametrize('seeds', [1, 3, 12])
@pytest.mark.parametrize(
    'name', ['full', 'digits_full loss_mel.loss_weight=0.5', 'a_name_without_blanks_' * 3]
)
def test_a_wide_table_is_printed_in_parts_that_fit(seeds, name):
    results = [
        make_result(config, seed, value + seed, recall=40.0)
        for config, value in (('ce', 50.0), (name, 60.0))
        for seed in range(seeds)
    ]
    spreads = spread_table(results, ('ce', name))
    differences = difference_table(results, [(name, 'ce')])
    for table, head in ((spreads, 'config '), (differences, 'pair ')):
        lines = printed(table, 80)
        assert max(map(len, lines)) <= 80
        text = '\n'.join(lines)
        # A long name takes several lines.
        for cell in {cell for row in table.rows for cell in row} - {name, f'{name} − ce'}:
            assert cell in text

        # Each part says of which row its values are.
        heads = [line for line in lines if line.strip().startswith(head)]
        parts = text.count(head)
        named = sum('ce  ' in line or line.strip() == 'ce' for line in lines)
        assert len(heads) == parts and named <= parts * len(table.rows)
        assert text.count('(continued)') == parts - 1


def test_a_table_that_fits_is_printed_as_one():
    table = spread_table(CE + FULL)
    assert not any('continued' in line for line in printed(table, 120))
    wide = Console(width=120, record=True, file=io.StringIO())
    wide.print(table.to_rich())
    assert printed(table, 120) == [line.rstrip() for line in wide.export_text().splitlines()]


def test_values_are_whole_where_nothing_fits():
    table = difference_table(CE + FULL, [('full', 'ce')])
    lines = printed(table, 20)
    assert all(cell in ''.join(lines) for row in table.rows for cell in row)
