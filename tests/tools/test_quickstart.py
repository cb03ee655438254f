"""The quickstart: its table is that of the saved predictions, its page is complete, its terminal is
quiet.
"""

import base64
import csv
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from mmsemiloc.commands import quickstart as quickstart_command
from mmsemiloc.datasets import DigitScenes
from mmsemiloc.datasets.subsets import draw_subset
from mmsemiloc.evaluation import score_centre_map, summarize_maps
from mmsemiloc.evaluation.map_scores import box_accuracy, max_box_acc_v2
from mmsemiloc.study.evaluate import Evaluation
from tests.study.conftest import make_result
from tests.tools.conftest import ROOT, STEPS, run_tool


def evaluations(folder):
    """The saved predictions by the name of the config."""
    return {
        path.parts[-3].rpartition('-')[0]: Evaluation.load(path)
        for path in folder.glob('runs/*/seed3/test.npz')
    }


@pytest.mark.slow
def test_the_table_is_that_of_the_predictions(quickstart):
    dataset = DigitScenes(split='test', num_images=2000)
    scenes = list(dataset)
    rows = {}
    for title, name in (('CE only', 'digits_ce'), ('full loss', 'digits_full')):
        evaluation = evaluations(quickstart.folder)[name]
        predicted = [int(np.argmax(row)) for row in evaluation.probabilities]
        right = np.mean(
            [p == scene['gt_label'] for p, scene in zip(predicted, scenes, strict=True)]
        )
        rows[title] = [
            f'{100 * right:.1f}',
            f'{len(set(predicted))} of 10',
            f'{max_box_acc_v2(box_accuracy(evaluation.hits)):.1f}',
            f'{100 * sum(evaluation.cam_in_box) / 2000:.1f}',
            f'{100 * sum(evaluation.cam_area) / 2000:.1f}',
        ]
    area = np.mean(
        [
            (x2 - x1) * (y2 - y1) / 32**2
            for [[x1, y1, x2, y2]] in (scene['gt_bboxes'] for scene in scenes)
        ]
    )
    rows['uniform map'] = ['–', '–', '–', f'{100 * area:.1f}', '100.0']
    centre = summarize_maps([score_centre_map((32, 32), scene['gt_bboxes']) for scene in scenes])[
        'MaxBoxAccV2'
    ]
    rows['centre map'] = ['–', '–', f'{centre:.1f}', '–', '–']
    printed = {
        line[1:14].strip(): re.split(r'\s{2,}', line[14:].strip())
        for line in quickstart.stdout.splitlines()
    }
    for title, cells in rows.items():
        assert printed[title][:5] == cells
        assert all(f'<td>{cell}</td>' in quickstart.page for cell in cells)


@pytest.mark.slow
def test_both_models_saw_the_same_images_and_differ(quickstart):
    ce, full = (evaluations(quickstart.folder)[name] for name in ('digits_ce', 'digits_full'))
    np.testing.assert_array_equal(ce.labels, np.arange(2000) % 10)
    np.testing.assert_array_equal(ce.examples.images, full.examples.images)
    assert len(ce.examples.images) == 12 and not np.array_equal(
        ce.examples.cams, full.examples.cams
    )
    first = int(draw_subset(ce.labels, 2000, 12)[0])
    scene = DigitScenes(split='test', first=first, num_images=1)[0]
    np.testing.assert_array_equal(
        ce.examples.images[0], scene['img'][..., ::-1]
    )  # the file is BGR, the page is RGB
    np.testing.assert_array_equal(ce.examples.boxes[0], scene['gt_bboxes'])


@pytest.mark.slow
def test_the_page_is_complete_and_needs_nothing_else(quickstart):
    page = quickstart.page
    assert not re.search(r'(src|href|srcset)="(?!data:)', page)
    names = re.findall(r'<img alt="([^"]*)" src="data:image/png;base64,', page)
    for index in range(12):
        assert {f'image {index}', f'CE only, image {index}', f'full loss, image {index}'} <= set(
            names
        )
    curves = set(re.findall('<code>(.*?)</code>', page))
    assert {
        'loss_ce',
        'loss_mel',
        'loss_nbel',
        'loss_locality',
        'acc_labeled',
        'confidence',
        'batch_entropy',
        'classes_used',
        'cam_area',
        'weight_mel',
        'weight_nbel',
        'weight_locality',
    } <= curves


@pytest.mark.slow
def test_the_page_shows_how_the_maps_changed(quickstart):
    section = quickstart.page.partition('<h2>How the maps changed</h2>')[2].partition('<h2>')[0]
    assert re.findall(r'<img alt="([^"]*)"', section) == [
        'Accuracy, %',
        'MaxBoxAccV2, %',
        'In box, %',
        'Area, %',
        *(f'image {index}, {title}' for index in range(2) for title in ('CE only', 'full loss')),
    ]
    assert section.count('<source ') == 4  # the plots, for dark pages
    shown = {
        base64.b64decode(data)
        for data in re.findall(r'src="data:image/png;base64,([^"]*)"', section)
    }
    for name in ('digits_ce', 'digits_full'):
        (folder,) = quickstart.folder.glob(f'runs/{name}-*/seed3')
        with (folder / 'cam_evolution.csv').open() as file:
            assert [row['iter'] for row in csv.DictReader(file)] == ['0', '2', '4', '6']
        assert {path.read_bytes() for path in (folder / 'cam_evolution').iterdir()} <= shown


@pytest.mark.slow
def test_the_terminal_shows_progress_and_the_table_only(quickstart):
    assert quickstart.stderr == ''
    lines = [line for line in quickstart.stdout.splitlines() if line.strip()]
    assert len(lines) < 25 and not re.search('warn|mmengine|INFO', quickstart.stdout, re.IGNORECASE)
    assert sum(f'step {STEPS}/{STEPS}' in line for line in lines) == 2
    assert lines[-2] == f'Report: {quickstart.folder / "report.html"}' and 'README' in lines[-1]


@pytest.fixture
def best(tmp_path):
    """A config that stands for the best recipe: two views, another term, and a teacher."""
    path = tmp_path / 'best.py'
    path.write_text(
        f"_base_ = '{ROOT / 'configs/digits/methods/digits_fixmatch.py'}'\ncustom_hooks = "
        "[*_base_.custom_hooks, dict(type='mmsemiloc.MeanTeacherHook', momentum=0.1)]\n"
    )
    return path


@pytest.mark.slow
def test_the_best_recipe_is_a_third_row(quickstart, best, tmp_path):
    shutil.copytree(quickstart.folder / 'runs', tmp_path / 'runs')
    stdout, _ = run_tool(
        'quickstart.py', '--steps', STEPS, '--seed', 3, '--work-dir', tmp_path, '--extra', best
    )
    assert stdout.count('(read back)') == 2 and f'best seed 3: step {STEPS}/{STEPS}' in stdout
    page = (tmp_path / 'report.html').read_text()
    accuracy = 100 * np.mean(evaluations(tmp_path)['best'].predicted == np.arange(2000) % 10)
    assert f'<td>best recipe</td><td>{accuracy:.1f}</td>' in page
    assert {'CE only, image 0', 'full loss, image 0', 'best recipe, image 0'} <= set(
        re.findall('<img alt="([^"]*)"', page)
    )
    assert 'Best recipe: ' in page and '<code>loss_fixmatch</code>' in page
    assert 'Best recipe: ' not in quickstart.page  # negative control


def test_the_announcement_and_the_introduction_name_what_is_trained(parse, best):
    texts = []
    for extra in ([], ['--extra', str(best)]):
        args = parse('quickstart', '--seed', 3, *extra)
        runs = quickstart_command.plan_runs(args)
        results = [make_result(run.name, 3, 50.0) for run in runs]
        texts.append(
            (
                quickstart_command.announcement(runs, Path('report.html')),
                quickstart_command.introduction(results),
            )
        )
        titles = ['CE only', 'full loss', 'best recipe'][: len(runs)]
        assert [
            row[0] for row in quickstart_command.result_table(results).rows[: len(runs)]
        ] == titles
        assert f'steps each: {", ".join(titles)}.\n' in texts[-1][0]
    minutes = [int(re.search(r'About (\d+) min', announced)[1]) for announced, _ in texts]
    assert minutes[0] < minutes[1]
    assert (
        'Full loss: ' in texts[0][1]
        and 'Best' not in texts[0][1]
        and 'Best recipe: ' in texts[1][1]
    )


def make(*arguments):
    """What a command of the Makefile prints, or with -n what it would run."""
    return subprocess.run(
        ['make', *arguments], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout


def test_make_quickstart_takes_the_best_recipe_when_asked():
    command = make('-n', 'quickstart', 'BEST=1', 'ARGS=--seed 1')
    assert 'tools/quickstart.py --extra configs/digits/best.py --seed 1\n' in command
    assert 'best.py' not in make('-n', 'quickstart')
    assert 'make quickstart BEST=1 ' in make('help')


@pytest.mark.parametrize(
    'arguments, expected',
    [
        (['--steps', '0'], 'got 0'),
        (['--seed', '-1'], 'got -1'),
        (['--extra', 'nowhere.py'], 'no such config file: nowhere.py'),
        (['--extra', 'configs/digits/digits_ce.py'], 'digits_ce'),
    ],
)
def test_bad_input_is_one_line(refuse, arguments, expected):
    assert expected in refuse('quickstart', *arguments)


def test_help_has_an_example():
    assert 'example:\n  python tools/quickstart.py' in run_tool('quickstart.py', '--help')[0]
