"""Means, spreads and paired differences."""
import csv
import math

import numpy as np
import pytest
from rich.console import Console

from mmsemiloc.study import Result
from mmsemiloc.study.tables import (
    Table,
    difference_table,
    format_spread,
    mean_and_std,
    paired_differences,
    spread_table,
    values_of_seeds,
    write_csv,
)


def make_result(name, seed, accuracy, cam_in_box=30.0, recall=None):
    return Result(name=name, seed=seed, split='val', folder='f', steps=10, images=320, seconds=5.0, memory_mib=1.0,
                  accuracy=accuracy, mean_recall=recall or accuracy, classes_used=9, num_classes=10,
                  max_box_acc_v2=accuracy / 2, cam_in_box=cam_in_box, cam_area=25.0, box_area=20.0, centre_box_acc_v2=15.0,
                  curves={})


CE = [make_result('ce', seed, value) for seed, value in enumerate([50.0, 52.0, 57.0])]
FULL = [make_result('full', seed, value) for seed, value in enumerate([56.0, 55.0, 64.0])]


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


def test_spread_table_has_one_row_a_config():
    table = spread_table(CE + FULL)
    assert [row[:2] for row in table.rows] == [['ce', '53.0 ± 3.6'], ['full', '58.3 ± 4.9']]
    assert table.rows[0][-1] == '0 1 2'
    assert [dict(zip(table.columns, table.rows[0], strict=True))[name] for name in (
        'MaxBoxAccV2 %', 'CAM in box %', 'CAM area %')] == ['26.5 ± 1.8', '30.0 ± 0.0', '25.0 ± 0.0']


def test_paired_differences_by_seed():
    assert paired_differences(CE, FULL, 'accuracy') == {0: 6.0, 1: 3.0, 2: 7.0}
    assert paired_differences(CE[1:], FULL[:2], 'accuracy') == {1: 3.0}
    without = [make_result('full', 0, 50.0, cam_in_box=None)]
    assert paired_differences(CE, without, 'cam_in_box') == {}


def test_difference_table():
    table = difference_table(CE + FULL[1:])
    accuracy = table.rows[0]
    assert accuracy == ['full', 'accuracy %', '+5.00 ± 2.83', '–', '+3.00', '+7.00']
    assert [row[1] for row in table.rows] == ['accuracy %', 'MaxBoxAccV2 %', 'CAM in box %', 'CAM area %']
    assert difference_table(CE) is None


def test_mean_recall_is_shown_where_it_differs_from_the_accuracy():
    assert 'mean recall %' not in spread_table(CE).columns
    tailed = [make_result('ce', 0, 50.0, recall=40.0), make_result('full', 0, 56.0, recall=43.0)]
    table = spread_table(tailed)
    assert table.rows[1][table.columns.index('mean recall %')] == '43.0'
    assert ['full', 'mean recall %', '+3.00', '+3.00'] in difference_table(tailed).rows


def test_values_of_seeds_leave_out_what_a_result_lacks():
    values = values_of_seeds(CE + FULL)
    assert values['accuracy %'] == {'ce': [50.0, 52.0, 57.0], 'full': [56.0, 55.0, 64.0]}
    assert list(values) == ['accuracy %', 'MaxBoxAccV2 %', 'CAM in box %', 'CAM area %']
    assert 'CAM in box %' not in values_of_seeds([*CE, make_result('full', 0, 50.0, cam_in_box=None)])


def test_markdown_and_terminal():
    table = spread_table(CE + FULL)
    lines = table.to_markdown().splitlines()
    assert len(lines) == 4 and len({line.count('|') for line in lines}) == 1
    console = Console(width=80, record=True)
    console.print(table.to_rich())
    assert '58.3 ± 4.9' in console.export_text()  # values are not cut on a narrow terminal


def test_no_column_falls_off_a_narrow_terminal():
    columns = ['model', 'accuracy %', 'classes used', 'MaxBoxAccV2 %', 'CAM in box %', 'CAM area %', 'steps', 'seconds']
    console = Console(width=80, record=True)
    console.print(Table('title', columns, [['uniform map', '1.5', '10 of 10', '2.5', '3.5', '100.0', '3000', '170']]).to_rich())
    assert console.export_text().splitlines()[-2].split() == [
        'uniform', 'map', '1.5', '10', 'of', '10', '2.5', '3.5', '100.0', '3000', '170']


def test_csv_has_one_row_a_run(tmp_path):
    path = tmp_path / 'new' / 'study.csv'
    write_csv(CE + FULL, path, options='a=1')
    rows = list(csv.DictReader(path.open()))
    assert [(row['name'], int(row['seed']), float(row['accuracy'])) for row in rows] == [
        (result.name, result.seed, result.accuracy) for result in CE + FULL]
    assert {row['options'] for row in rows} == {'a=1'} and 'curves' not in rows[0]
    assert (rows[0]['max_box_acc_v2'], rows[0]['cam_area'], rows[0]['centre_box_acc_v2']) == ('25.0', '25.0', '15.0')
