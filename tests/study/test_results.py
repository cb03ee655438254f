"""The rows that are stored of results, and rows that older versions have written."""

import csv
from dataclasses import replace

import pytest

from mmsemiloc.study.results import read_results, write_results
from tests.study.conftest import make_result
from tests.study.conftest import make_transfer_result as transfer_result

RESULTS = [make_result('ce', 0, 50.0), make_result('full', 1, 64.0)]
OLD_TRANSFER = """\
initialisation,task,seed,metric,value,steps,images,seconds
random,det,0,AP,10.5,4,32,2.0
random,det,0,AP50,20.0,4,32,2.0
full,det,1,AP,13.25,4,32,3.5
"""
OLD_STUDY = """\
name,seed,split,steps,images,seconds,accuracy,classes_used,num_classes,options
ce,3,test,3000,96000,239,81.20,10,10,steps=3000
"""


def test_csv_has_one_row_per_run(tmp_path):
    path = tmp_path / 'new' / 'study.csv'
    write_results(RESULTS, path, options='a=1')
    rows = list(csv.DictReader(path.open()))
    assert [(row['name'], int(row['seed']), float(row['accuracy'])) for row in rows] == [
        (result.name, result.seed, result.metrics['accuracy']) for result in RESULTS
    ]
    assert {row['options'] for row in rows} == {'a=1'} and 'curves' not in rows[0]
    assert [float(rows[0][name]) for name in ('max_box_acc_v2', 'cam_area', 'box_area')] == [
        25.0,
        25.0,
        20.0,
    ]


def test_what_cannot_be_measured_is_empty(tmp_path):
    missing = {**RESULTS[1].metrics, 'cam_in_box': None, 'cam_area': None}
    write_results([RESULTS[0], replace(RESULTS[1], metrics=missing)], tmp_path / 'study.csv')
    last = list(csv.DictReader((tmp_path / 'study.csv').open()))[-1]
    assert float(last['accuracy']) == 64.0 and last['cam_area'] == last['cam_in_box'] == ''
    assert read_results(tmp_path / 'study.csv')[1].metrics['cam_area'] is None


def test_results_are_read_back_as_they_were_written(tmp_path):
    path = tmp_path / 'results.csv'
    for results in (
        RESULTS,
        [transfer_result('random', 0, AP=1 / 3), transfer_result('CE, all', 1, AP=14.0)],
    ):
        write_results(results, path)
        for read, written in zip(read_results(path), results, strict=True):
            assert read.metrics == pytest.approx(written.metrics, rel=1e-9)
            assert replace(read, metrics={}) == replace(written, metrics={})
            assert read.summary == written.summary


def test_tasks_with_other_metrics_share_a_file(tmp_path):
    results = [transfer_result('full', 0, AP=1.0), transfer_result('full', 0, 'seg', mIoU=2.0)]
    write_results(results, tmp_path / 'results.csv')
    read = read_results(tmp_path / 'results.csv')
    assert [(each.task, each.metrics) for each in read] == [
        ('det', dict(AP=1.0)),
        ('seg', dict(mIoU=2.0)),
    ]


def test_rows_that_older_versions_wrote_are_read(tmp_path):
    path = tmp_path / 'old.csv'
    path.write_text(OLD_TRANSFER)
    first, second = read_results(path)
    assert (first.name, first.task, first.metrics) == ('random', 'det', dict(AP=10.5, AP50=20.0))
    assert (second.seed, second.metrics, second.cost.seconds) == (1, dict(AP=13.25), 3.5)

    path.write_text(OLD_STUDY)
    [result] = read_results(path)
    assert (result.name, result.seed, result.split, result.task) == ('ce', 3, 'test', '')
    assert result.metrics == dict(accuracy=81.2, classes_used=10, num_classes=10)
    assert (result.cost.steps, result.cost.images, result.cost.memory_mib) == (3000, 96000, None)


def test_the_line_on_the_terminal():
    assert RESULTS[0].summary == (
        'val accuracy 50.0 %, 9 of 10 classes used, trained 10 steps in 5 s'
    )
    assert transfer_result('full', 0, AP=50.0).summary == ('test AP 50.0 %, trained 4 steps in 2 s')
