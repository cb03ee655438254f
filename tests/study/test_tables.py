"""Means, spreads and paired differences."""

import csv
import io
import math
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from mmsemiloc.study import Result
from mmsemiloc.study.tables import (
    Table,
    confidence_interval,
    difference_table,
    format_interval,
    format_spread,
    gap_closed,
    gaps_closed,
    mean_and_std,
    pair_table,
    paired_differences,
    print_table,
    spread_table,
    values_of_seeds,
    write_csv,
)


def make_result(name, seed, accuracy, cam_in_box=30.0, recall=None):
    return Result(
        name=name,
        seed=seed,
        split='val',
        folder='f',
        steps=10,
        images=320,
        seconds=5.0,
        memory_mib=1.0,
        accuracy=accuracy,
        mean_recall=recall or accuracy,
        classes_used=9,
        num_classes=10,
        max_box_acc_v2=accuracy / 2,
        cam_in_box=cam_in_box,
        cam_area=25.0,
        box_area=20.0,
        centre_box_acc_v2=15.0,
        curves={},
    )


CE = [make_result('ce', seed, value) for seed, value in enumerate([50.0, 52.0, 57.0])]
FULL = [make_result('full', seed, value) for seed, value in enumerate([56.0, 55.0, 64.0])]
ALL = [make_result('all', seed, value) for seed, value in enumerate([73.0, 74.0, 75.0])]
# 0.975 quantiles of Student's t by degrees of freedom, from a printed table.
STUDENT = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 9: 2.262, 29: 2.045}


def test_mean_and_sample_standard_deviation():
    values = [50.0, 52.0, 57.0, 41.5]
    mean, std = mean_and_std(values)
    assert mean == pytest.approx(np.mean(values)) and std == pytest.approx(np.std(values, ddof=1))
    assert std != pytest.approx(np.std(values))  # not that of a population
    assert math.isnan(mean_and_std([3.0])[1])
    with pytest.raises(ValueError, match='none'):
        mean_and_std([])


def test_formats():
    assert format_spread([1.0, 2.0, 3.0]) == '2.0 ± 1.0'
    assert format_spread([2.0]) == '2.0'
    assert format_spread([1.0, 2.0], digits=2, sign=True) == '+1.50 ± 0.71'
    assert format_spread([1.0, None]) == '–' and format_spread([]) == '–'


@pytest.mark.parametrize('freedom, quantile', STUDENT.items())
def test_confidence_interval_is_that_of_the_table_of_student(freedom, quantile):
    values = np.random.default_rng(freedom).normal(2.0, 3.0, freedom + 1)
    low, high = confidence_interval(values.tolist())
    half = (
        quantile * np.sqrt(((values - values.mean()) ** 2).sum() / freedom) / np.sqrt(freedom + 1)
    )
    assert (low, high) == pytest.approx(
        (values.mean() - half, values.mean() + half), abs=5e-4 * half
    )


def test_the_interval_holds_the_true_mean_19_times_of_20():
    samples = np.random.default_rng(0).normal(5.0, 2.0, (4000, 3))
    low, high = np.array([confidence_interval(sample.tolist()) for sample in samples]).T
    assert np.mean((low < 5) & (high > 5)) == pytest.approx(0.95, abs=0.015)
    half = (
        1.96 * samples.std(1, ddof=1) / np.sqrt(3)
    )  # negative control: that of a known standard deviation
    assert np.mean(np.abs(samples.mean(1) - 5) < half) < 0.85


def test_interval_of_one_value_of_equal_values_and_of_none():
    assert all(math.isnan(end) for end in confidence_interval([3.0]))
    assert confidence_interval([3.0, 3.0]) == (3.0, 3.0)
    with pytest.raises(ValueError, match='none'):
        confidence_interval([])


def test_format_of_intervals():
    assert format_interval([1.0, 2.0, 3.0]) == '[-0.5, +4.5]'
    assert format_interval([1.0, 2.0, 3.0], digits=2) == '[-0.48, +4.48]'
    assert format_interval([3.0]) == '–'


def test_gap_closed():
    assert [gap_closed(value, floor=80, ceiling=96) for value in (80, 84, 96, 76, 100)] == [
        0,
        25,
        100,
        -25,
        125,
    ]
    assert (
        gap_closed(85, floor=80, ceiling=80) is None
        and gap_closed(85, floor=80, ceiling=79) is None
    )


def test_spread_table_shows_the_gap_closed():
    table = spread_table(CE + FULL + ALL, gap=('ce', 'all'))
    column = table.columns.index('gap closed %')
    assert [row[column] for row in table.rows] == ['0.0', '25.4', '100.0']  # of 53, 58 1/3 and 74
    assert len({len(table.columns), *map(len, table.rows)}) == 1 and 'from ce to all' in table.title
    assert 'gap closed %' not in spread_table(CE + FULL).columns


@pytest.mark.parametrize(
    'results, gap',
    [
        (CE + FULL, ('full', 'ce')),  # the ceiling is below the floor
        (CE + FULL, ('ce', 'ce')),
        (CE + FULL, ('ce', 'all')),  # all runs of the ceiling failed
        (FULL + ALL, ('ce', 'all')),
    ],
)
def test_a_gap_that_is_none_is_a_dash(results, gap):
    assert set(gaps_closed(results, *gap).values()) == {None}
    table = spread_table(results, gap)
    assert {row[table.columns.index('gap closed %')] for row in table.rows} == {'–'}


def test_spread_table_has_one_row_a_config():
    table = spread_table(CE + FULL)
    assert [row[:2] for row in table.rows] == [['ce', '53.0 ± 3.6'], ['full', '58.3 ± 4.9']]
    assert table.rows[0][-1] == '0 1 2'
    assert [
        dict(zip(table.columns, table.rows[0], strict=True))[name]
        for name in ('MaxBoxAccV2 %', 'CAM in box %', 'CAM area %')
    ] == ['26.5 ± 1.8', '30.0 ± 0.0', '25.0 ± 0.0']


def test_paired_differences_by_seed():
    assert paired_differences(CE, FULL, 'accuracy') == {0: 6.0, 1: 3.0, 2: 7.0}
    assert paired_differences(CE[1:], FULL[:2], 'accuracy') == {1: 3.0}
    without = [make_result('full', 0, 50.0, cam_in_box=None)]
    assert paired_differences(CE, without, 'cam_in_box') == {}


def test_difference_table():
    table = difference_table(CE + FULL[1:])
    accuracy = table.rows[0]
    assert accuracy == [
        'full',
        'accuracy %',
        '+5.00 ± 2.83',
        '[-20.41, +30.41]',
        '–',
        '+3.00',
        '+7.00',
    ]
    assert len(table.columns) == len(accuracy) and table.columns[3] == '95 % interval'
    assert [row[1] for row in table.rows] == [
        'accuracy %',
        'MaxBoxAccV2 %',
        'CAM in box %',
        'CAM area %',
    ]
    assert difference_table(CE) is None


def test_one_seed_has_no_interval():
    assert difference_table([CE[0], FULL[0]]).rows[0] == [
        'full',
        'accuracy %',
        '+6.00',
        '–',
        '+6.00',
    ]


def test_pairs_are_compared_with_their_own_baseline():
    table = pair_table(CE + FULL + ALL, [('all', 'full'), ('full', 'ce')])
    assert [row for row in table.rows if row[1] == 'accuracy %'] == [
        [
            'all − full',
            'accuracy %',
            '+15.67 ± 4.16',
            '[+5.32, +26.01]',
            '+17.00',
            '+19.00',
            '+11.00',
        ],
        ['full − ce', *difference_table(CE + FULL).rows[0][1:]],
    ]
    assert pair_table(CE + FULL, []) is None and pair_table(CE, [('full', 'ce')]) is None


def test_mean_recall_is_shown_where_it_differs_from_the_accuracy():
    assert 'mean recall %' not in spread_table(CE).columns
    tailed = [make_result('ce', 0, 50.0, recall=40.0), make_result('full', 0, 56.0, recall=43.0)]
    table = spread_table(tailed)
    assert table.rows[1][table.columns.index('mean recall %')] == '43.0'
    assert ['full', 'mean recall %', '+3.00', '–', '+3.00'] in difference_table(tailed).rows


def test_values_of_seeds_leave_out_what_a_result_lacks():
    values = values_of_seeds(CE + FULL)
    assert values['accuracy %'] == {'ce': [50.0, 52.0, 57.0], 'full': [56.0, 55.0, 64.0]}
    assert list(values) == ['accuracy %', 'MaxBoxAccV2 %', 'CAM in box %', 'CAM area %']
    assert 'CAM in box %' not in values_of_seeds(
        [*CE, make_result('full', 0, 50.0, cam_in_box=None)]
    )


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
    for table in (spread_table(results, ('ce', name)), difference_table(results)):
        lines = printed(table, 80)
        assert max(map(len, lines)) <= 80
        text = '\n'.join(lines)
        for cell in {cell for row in table.rows for cell in row} - {name}:
            assert cell in text
        # Each part says of which row its values are.
        heads = [line for line in lines if line.strip().startswith('config ')]
        parts = text.count('config ')
        assert len(heads) == parts and sum(
            'ce  ' in line or line.strip() == 'ce' for line in lines
        ) <= parts * len(table.rows)
        assert text.count('(continued)') == parts - 1


def test_a_table_that_fits_is_printed_as_one():
    table = spread_table(CE + FULL)
    assert not any('continued' in line for line in printed(table, 120))
    wide = Console(width=120, record=True, file=io.StringIO())
    wide.print(table.to_rich())
    assert printed(table, 120) == [line.rstrip() for line in wide.export_text().splitlines()]


def test_values_are_whole_where_nothing_fits():
    table = difference_table(CE + FULL)
    lines = printed(table, 20)
    assert all(cell in ''.join(lines) for row in table.rows for cell in row)


def test_without_maps_there_are_dashes(tmp_path):
    nothing = dict(max_box_acc_v2=None, cam_in_box=None, cam_area=None)
    results = [
        replace(result, **nothing) if result.name == 'full' else result for result in CE + FULL
    ]
    row = spread_table(results).rows[1]
    assert row[:6] == ['full', '58.3 ± 4.9', '9.0 ± 0.0', '–', '–', '–']
    assert [row[1] for row in difference_table(results).rows] == ['accuracy %']
    assert set(values_of_seeds(results)) == {'accuracy %'}
    write_csv(results, tmp_path / 'study.csv')
    last = list(csv.DictReader((tmp_path / 'study.csv').open()))[-1]
    assert last['accuracy'] == '64.0' and last['cam_area'] == last['cam_in_box'] == ''


def test_csv_has_one_row_a_run(tmp_path):
    path = tmp_path / 'new' / 'study.csv'
    write_csv(CE + FULL, path, options='a=1')
    rows = list(csv.DictReader(path.open()))
    assert [(row['name'], int(row['seed']), float(row['accuracy'])) for row in rows] == [
        (result.name, result.seed, result.accuracy) for result in CE + FULL
    ]
    assert {row['options'] for row in rows} == {'a=1'} and 'curves' not in rows[0]
    assert (rows[0]['max_box_acc_v2'], rows[0]['cam_area'], rows[0]['centre_box_acc_v2']) == (
        '25.0',
        '25.0',
        '15.0',
    )
