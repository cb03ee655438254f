from pathlib import Path

import numpy as np
import pytest

from mmsemiloc.study.few_labels.draw import Outcome
from mmsemiloc.study.few_labels.image_sets import Source
from mmsemiloc.study.few_labels.run import FIRST, Task, plan
from mmsemiloc.study.few_labels.store import DrawFile, fingerprint
from mmsemiloc.study.few_labels.tables import (
    Comparison,
    difference_rows,
    difference_tables,
    differences,
    plot_lines,
    result_rows,
    value_table,
)

LABELS = np.array([0, 1, 2, 0])
SOURCE = Source('fashion_mnist')


def outcome(*predictions, share=50.0):
    return Outcome('alpha 1', share, np.array(predictions))


@pytest.fixture
def comparison():
    """Two draws with 2 labels, one with 4; FixMatch is missing once."""
    tasks = [Task(SOURCE, *which, Path('x')) for which in ((2, 0), (2, 1), (4, 0))]
    outcomes = [
        {'CE': outcome(0, 0, 0, 0), 'CE + MEL + NBEL': outcome(0, 1, 0, 0)},
        {'CE': outcome(0, 1, 0, 0), 'CE + MEL + NBEL': outcome(0, 1, 2, 0)},
        {
            'CE': outcome(0, 1, 1, 0, share=float('nan')),
            'CE + MEL + NBEL': outcome(0, 1, 2, 0),
            'FixMatch': outcome(1, 1, 1, 1),
        },
    ]
    return Comparison(tasks, outcomes, LABELS, 'accuracy')


def test_tables_show_means_over_draws_and_a_dash_for_what_is_missing(comparison):
    table = value_table(comparison)
    assert table.columns == ['labels per class', '2', '4']
    assert table.rows == [
        ['CE', '62.5', '75.0'],
        ['CE + MEL + NBEL', '87.5', '100.0'],
        ['FixMatch', '–', '25.0'],
    ]


def test_differences_are_of_paired_draws(comparison):
    found = differences(comparison)
    assert found[2, 'CE + MEL + NBEL', 'CE'].value == pytest.approx(25)
    assert found[4, 'CE + MEL + NBEL', 'FixMatch'].text() == '+75.0'
    titles = [table.title for table in difference_tables(found)]
    assert titles == ['CE minus', 'CE + MEL + NBEL minus']
    rows = difference_rows(found)
    assert rows[0].keys() == {
        'labels_per_class', 'first', 'second', 'difference', 'low', 'high',
    }  # fmt: skip


def test_rows_have_the_setting_and_what_was_held_out(comparison):
    rows = result_rows(comparison)
    assert len(rows) == 7
    assert rows[0] == {
        'labels_per_class': 2, 'draw': 0, 'method': 'CE', 'setting': 'alpha 1', 'held_out': 50.0,
        'accuracy': 50.0,
    }  # fmt: skip
    assert rows[4]['held_out'] == ''


def test_lines_of_the_plot(comparison):
    lines = plot_lines(comparison)
    assert lines['CE'] == [(2, 62.5), (4, 75.0)]
    assert lines['FixMatch'] == [(4, 25.0)] and lines['linear SVM'] == []


def test_a_draw_is_read_back_as_it_was_written(tmp_path):
    file = DrawFile(tmp_path / 'some' / 'draw.npz')
    assert file.read() == {}
    file.write({'CE': ('mark', outcome(0, 1, 2)), 'NBEL': ('other', outcome(2, 2, 2))})
    mark, found = file.read()['CE']
    assert (mark, found.setting, found.held_out) == ('mark', 'alpha 1', 50.0)
    assert found.predictions.tolist() == [0, 1, 2]
    assert [path.name for path in file.path.parent.iterdir()] == ['draw.npz']


def test_a_fingerprint_changes_with_its_parts():
    assert fingerprint(1, 'a') == fingerprint(1, 'a') != fingerprint(1, 'b')


def test_the_first_draw_of_each_number_comes_first(tmp_path):
    tasks = plan(SOURCE, [2, 4], 2, tmp_path)
    assert [(task.seed - FIRST, task.per_class) for task in tasks] == [
        (0, 2), (0, 4), (1, 2), (1, 4),
    ]  # fmt: skip
    assert tasks[0].file.path == tmp_path / '2_labels' / f'draw_{FIRST:03}.npz'
