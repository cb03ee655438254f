"""Spreads over seeds, differences by seed and costs, of classifiers and of transfer."""

import math
from dataclasses import replace

import pytest

from mmsemiloc.study.comparison import (
    cost_table,
    difference_table,
    gaps_closed,
    paired_differences,
    pairs_with,
    spread_table,
    values_of_seeds,
)
from tests.study.conftest import make_result
from tests.study.conftest import make_transfer_result as result

CE = [make_result('ce', seed, value) for seed, value in enumerate([50.0, 52.0, 57.0])]
FULL = [make_result('full', seed, value) for seed, value in enumerate([56.0, 55.0, 64.0])]
ALL = [make_result('all', seed, value) for seed, value in enumerate([73.0, 74.0, 75.0])]
RESULTS = [
    result('random', 0, AP=10.0, AP50=20.0),
    result('random', 1, AP=14.0, AP50=22.0),
    result('full', 0, AP=13.0, AP50=21.0),
    result('full', 1, AP=15.0, AP50=25.0),
    result('random', 0, 'seg', mIoU=50.0),
    result('full', 0, 'seg', mIoU=52.0),
]


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


def test_spread_table_has_one_row_per_config():
    table = spread_table(CE + FULL)
    assert [row[:2] for row in table.rows] == [['ce', '53.0 ± 3.6'], ['full', '58.3 ± 4.9']]
    assert table.rows[0][-1] == '0 1 2'
    assert [
        dict(zip(table.columns, table.rows[0], strict=True))[name]
        for name in ('MaxBoxAccV2 %', 'CAM in box %', 'CAM area %')
    ] == ['26.5 ± 1.8', '30.0 ± 0.0', '25.0 ± 0.0']


def test_paired_differences_by_seed():
    accuracy = ('', 'accuracy')
    assert paired_differences(CE + FULL, 'full', 'ce', accuracy) == {0: 6.0, 1: 3.0, 2: 7.0}
    assert paired_differences(CE[1:] + FULL[:2], 'full', 'ce', accuracy) == {1: 3.0}
    without = [make_result('full', 0, 50.0, cam_in_box=None)]
    assert paired_differences(CE + without, 'full', 'ce', ('', 'cam_in_box')) == {}


def test_difference_table():
    table = difference_table(CE + FULL[1:], [('full', 'ce')])
    accuracy = table.rows[0]
    assert accuracy == [
        'full − ce',
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
    assert difference_table(CE, pairs_with(CE, 'ce')) is None


def test_one_seed_has_no_interval():
    assert difference_table([CE[0], FULL[0]], [('full', 'ce')]).rows[0] == [
        'full − ce',
        'accuracy %',
        '+6.00',
        '–',
        '+6.00',
    ]


def test_pairs_are_compared_with_their_own_baseline():
    table = difference_table(CE + FULL + ALL, [('all', 'full'), ('full', 'ce')])
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
        difference_table(CE + FULL, [('full', 'ce')]).rows[0],
    ]
    assert difference_table(CE + FULL, []) is None
    assert difference_table(CE, [('full', 'ce')]) is None


def test_a_pair_that_is_given_twice_is_shown_once():
    pairs = [*pairs_with(CE + FULL + ALL, 'ce'), ('full', 'ce')]
    table = difference_table(CE + FULL + ALL, pairs)
    accuracies = [row[0] for row in table.rows if row[1] == 'accuracy %']
    assert accuracies == ['full − ce', 'all − ce']


def test_mean_recall_is_shown_where_it_differs_from_the_accuracy():
    assert 'mean recall %' not in spread_table(CE).columns
    tailed = [make_result('ce', 0, 50.0, recall=40.0), make_result('full', 0, 56.0, recall=43.0)]
    table = spread_table(tailed)
    assert table.rows[1][table.columns.index('mean recall %')] == '43.0'
    rows = difference_table(tailed, [('full', 'ce')]).rows
    assert ['full − ce', 'mean recall %', '+3.00', '–', '+3.00'] in rows


def test_values_of_seeds_leave_out_what_a_result_lacks():
    values = values_of_seeds(CE + FULL)
    assert values['accuracy %'] == {'ce': [50.0, 52.0, 57.0], 'full': [56.0, 55.0, 64.0]}
    assert list(values) == ['accuracy %', 'MaxBoxAccV2 %', 'CAM in box %', 'CAM area %']
    assert 'CAM in box %' not in values_of_seeds(
        [*CE, make_result('full', 0, 50.0, cam_in_box=None)]
    )


def test_without_maps_there_are_dashes():
    missing = dict(max_box_acc_v2=None, cam_in_box=None, cam_area=None)
    full = [replace(result, metrics={**result.metrics, **missing}) for result in FULL]
    results = CE + full
    row = spread_table(results).rows[1]
    assert row[:6] == ['full', '58.3 ± 4.9', '9.0 ± 0.0', '–', '–', '–']
    assert [row[1] for row in difference_table(results, [('full', 'ce')]).rows] == ['accuracy %']
    assert set(values_of_seeds(results)) == {'accuracy %'}


def test_one_row_per_initialisation_with_mean_and_spread():
    table = spread_table(RESULTS)
    assert table.columns == [
        'initialisation',
        'AP % (det)',
        'AP50 % (det)',
        'mIoU % (seg)',
        'seeds',
    ]
    assert table.rows == [
        ['random', '12.0 ± 2.8', '21.0 ± 1.4', '50.0', '0 1'],
        ['full', '14.0 ± 1.4', '23.0 ± 2.8', '52.0', '0 1'],
    ]


def test_gains_are_differences_by_seed():
    table = difference_table(RESULTS, [('full', 'random')], digits=1)
    # Student's t for 1 degree of freedom; the gains are 3 and 1.
    half = 12.706 * math.sqrt(2) / math.sqrt(2)
    assert table.rows[0] == [
        'full − random',
        'AP % (det)',
        '+2.0 ± 1.4',
        f'[{2 - half:+.1f}, {2 + half:+.1f}]',
        '+3.0',
        '+1.0',
    ]
    assert table.rows[2] == ['full − random', 'mIoU % (seg)', '+2.0', '–', '+2.0', '–']
    random = [entry for entry in RESULTS if entry.name == 'random']
    assert difference_table(random, pairs_with(random, 'random')) is None


def test_any_pair_can_be_compared():
    gains = difference_table(RESULTS, [('full', 'random')], digits=1).rows
    rows = difference_table(RESULTS, [('full', 'random'), ('random', 'full')], digits=1).rows
    assert rows[:3] == gains
    assert rows[5:] == [['random − full', 'mIoU % (seg)', '-2.0', '–', '-2.0', '–']]


def test_a_seed_that_the_baseline_lacks_is_left_out_of_the_gains():
    more = [*RESULTS, result('full', 2, AP=99.0, AP50=99.0)]
    table = difference_table(more, [('full', 'random')], digits=1)
    assert table.rows[0][2] == '+2.0 ± 1.4'
    assert spread_table(more).rows[1][-1] == '0 1 2'


def test_costs_are_mean_seconds_of_each_task():
    assert cost_table(RESULTS).rows == [
        ['random, det', '4', '32', '2'],
        ['full, det', '4', '32', '2'],
        ['random, seg', '4', '32', '2'],
        ['full, seg', '4', '32', '2'],
    ]


@pytest.mark.parametrize('results', [[], [result('random', 0)]])
def test_nothing_to_compare(results):
    assert difference_table(results, pairs_with(results, 'random')) is None
