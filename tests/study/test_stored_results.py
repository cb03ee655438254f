"""Tables of the documentation come out of the stored rows of ``docs/results``."""

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from mmengine.config import Config

from mmsemiloc.datasets.digit_scenes import class_shares
from mmsemiloc.study.comparison import cost_table, difference_table, gaps_closed, spread_table
from mmsemiloc.study.few_labels.tables import map_table
from mmsemiloc.study.results import read_result, read_results
from mmsemiloc.study.spreads import format_number, mean_and_std

ROOT = Path(__file__).parents[2]
OTHER = None  # a cell that no stored row says


def read_rows(name):
    with (ROOT / 'docs/results' / name).open() as file:
        return list(csv.DictReader(file))


def read(name):
    return read_results(ROOT / 'docs/results' / name)


def table_below(page, heading):
    """The rows of the table with these first cells in its head, as lists of cells."""
    lines = (ROOT / page).read_text(encoding='utf-8').splitlines()
    [start] = [i for i, line in enumerate(lines) if line.startswith(heading)]
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith('|'):
            break
        rows.append([cell.strip() for cell in line.strip('|').split('|')])
    return rows


def check_table(page, heading, expected):
    """Find the expected cells in the page, all of them in order; ``OTHER`` is not looked at."""
    rows = table_below(page, heading)
    assert len(rows) == len(expected)
    for row, cells in zip(rows, expected, strict=True):
        assert [found for found, cell in zip(row, cells, strict=True) if cell is not OTHER] == [
            cell for cell in cells if cell is not OTHER
        ]


def cells_of(table, name, columns):
    [row] = [row for row in table.rows if row[0] == name]
    return [dict(zip(table.columns, row, strict=True))[column] for column in columns]


def spreads(results, name, columns):
    return cells_of(spread_table(results), name, columns)


def costs(results, name):
    images, seconds = cells_of(cost_table(results), name, ['images', 'seconds'])
    return [f'{int(images):,}', seconds]


def differences(results, name, baseline, metric='accuracy %'):
    """Mean and standard deviation of the differences by seed, and their interval."""
    table = difference_table(results, [(name, baseline)], digits=1)
    [row] = [row for row in table.rows if row[1] == metric]
    return row[2:4]


MAPS = ['MaxBoxAccV2 %', 'CAM in box %', 'CAM area %']
METHODS = [
    'digits_ce',
    'digits_ce_mel',
    'digits_ce_mel_nbel',
    'digits_full',
    'digits_pseudo_label',
    'digits_transform',
    'digits_transform_full',
    'digits_fixmatch',
    'digits_fixmatch_full',
    'digits_mean_teacher',
    'digits_mean_teacher_full',
    'digits_all_labels_96',
]
PAIRS = [
    ('digits_ce_mel_nbel', 'digits_ce'),
    ('digits_full', 'digits_ce_mel_nbel'),
    ('digits_transform_full', 'digits_transform'),
    ('digits_fixmatch_full', 'digits_fixmatch'),
    ('digits_mean_teacher_full', 'digits_mean_teacher'),
    ('digits_mean_teacher', 'digits_fixmatch'),
    ('digits_mean_teacher_full', 'digits_fixmatch'),
]
IN_README = [
    'digits_ce',
    'digits_ce_mel_nbel',
    'digits_full',
    'digits_fixmatch',
    'digits_mean_teacher',
    'digits_mean_teacher_full',
    'digits_all_labels_96',
]


def comparison_rows(results):
    closed = gaps_closed(results, 'digits_ce', 'digits_all_labels_96')
    rows = []
    for name in METHODS:
        ends = name in ('digits_ce', 'digits_all_labels_96')
        gap = '' if ends else format_number(closed[name], 0).replace('-0', '0').replace('-', '−')
        accuracy, *maps = spreads(results, name, ['accuracy %', *MAPS])
        rows.append([OTHER, accuracy, gap, *maps, *costs(results, name)])
    return rows


def comparison_differences(results):
    return [
        [OTHER, *differences(results, *pair), *differences(results, *pair, 'CAM in box %')]
        for pair in PAIRS
    ]


def readme_rows(results):
    rows = []
    for name in IN_README:
        accuracy, *maps = spreads(results, name, ['accuracy %', *MAPS])
        gain = '' if name == 'digits_ce' else differences(results, name, 'digits_ce')[0]
        rows.append([OTHER, accuracy, gain, *maps, costs(results, name)[0]])
    return rows


def long_tail_rows(results):
    names = ('ce', 'ce_balanced', 'uniform', 'labeled', 'balanced')
    columns = ['accuracy %', 'mean recall %']
    return [[OTHER, *spreads(results, f'digits_lt_{name}', columns)] for name in names]


def class_shares_rows(results):
    rows = []
    for name in ('ce', 'uniform', 'true', 'em', 'bbse', 'alpha'):
        config, baseline = f'digits_shares_{name}', 'digits_shares_uniform'
        accuracy, recall = spreads(results, config, ['accuracy %', 'mean recall %'])
        gain = ['', ''] if config == baseline else differences(results, config, baseline)
        rows.append([OTHER, accuracy, *gain, recall])
    return rows


def nbel_rows(results, names, baseline):
    """The last value of MEL is in the logs of the runs alone."""
    rows = []
    for name in names:
        [accuracy] = spreads(results, f'digits_nbel_{name}', ['accuracy %'])
        _, seconds = costs(results, f'digits_nbel_{name}')
        pair = f'digits_nbel_{name}', f'digits_nbel_{baseline}'
        gain = '' if name == baseline else differences(results, *pair)[0]
        rows.append([OTHER, accuracy, gain, OTHER, seconds])
    return rows


def frozen_rows(results):
    names = [f'fashion_frozen_{name}' for name in ('ce', 'mel_nbel', 'fixmatch_mel_nbel')]
    return [[f'`{name}`', *spreads(results, name, ['accuracy %'])] for name in names]


@pytest.mark.parametrize(
    'page, heading, file, make',
    [
        ('docs/comparison.md', '| method | accuracy', 'comparison_test.csv', comparison_rows),
        ('docs/comparison.md', '| difference |', 'comparison_test.csv', comparison_differences),
        ('README.md', '| config (`configs/digits/`)', 'comparison_test.csv', readme_rows),
        ('docs/data.md', '| config (', 'long_tail_test.csv', long_tail_rows),
        ('docs/class_shares.md', '| config (', 'class_shares_test.csv', class_shares_rows),
        ('docs/few_labels.md', '| config (', 'frozen_fashion_mnist.csv', frozen_rows),
        (
            'docs/nbel.md',
            '| config (`configs/digits/nbel_batch/`) | accuracy % | difference to CE',
            'nbel_batch_test.csv',
            lambda results: nbel_rows(results, ['ce', *'8 16 32 256 512 ema'.split()], 'ce'),
        ),
        (
            'docs/nbel.md',
            '| config (`configs/digits/nbel_batch/`) | accuracy % | difference to NBEL',
            'nbel_batch_beta4_test.csv',
            lambda results: nbel_rows(results, ['8', '512', 'ema'], '8'),
        ),
    ],
)
def test_tables_of_studies_come_from_the_stored_rows(page, heading, file, make):
    results = read(file)
    check_table(page, heading, make(results))
    with pytest.raises(AssertionError):  # negative control: a changed row
        check_table(page, heading, make(changed(results, 'accuracy')))


def test_estimated_class_shares_come_from_the_stored_rows():
    rows = read_rows('class_shares_estimates.csv')

    def expected():
        columns = {'true': class_shares(10)} | {
            name: [float(row[key]) for row in rows]
            for name, key in (('EM', 'em'), ('BBSE', 'bbse'))
        }
        return [
            [name, *(format_number(100 * value) for value in values)]
            for name, values in columns.items()
        ]

    found = table_below('docs/class_shares.md', '| class |')
    assert expected() == found
    rows[3]['em'] = '0.5'
    assert expected() != found  # negative control

    # The configs have the same numbers.
    rows = read_rows('class_shares_estimates.csv')
    for name in ('em', 'bbse'):
        path = ROOT / f'configs/digits/class_shares/digits_shares_{name}.py'
        prior = Config.fromfile(path).model.head.loss_nbel.prior
        assert prior == [round(float(row[name]), 3) for row in rows]


# Source and style of each column, as the options of a run tell them.
ADAPTED = [
    (source, f'test_dataloader.dataset.height={height}')
    for source in ('digits_all_labels', 'digits_ce')
    for height in ('14,20', '9,12')
]
ADAPTATION = ['source', 'bn', 'tent', 'mel', 'mel_nbel', 'pseudo_label']
ADAPTATION_PAIRS = [
    ('bn', 'source'),
    ('mel_nbel', 'source'),
    ('tent', 'bn'),
    ('mel', 'bn'),
    ('mel_nbel', 'bn'),
    ('pseudo_label', 'bn'),
    ('mel_nbel', 'mel'),
]


def adapted(rows):
    """The results of each source and style."""
    return [
        [read_result([row]) for row in rows if source in row['options'] and style in row['options']]
        for source, style in ADAPTED
    ]


def adaptation_rows(rows):
    return [
        [
            OTHER,
            *(spreads(each, f'digits_adapt_{name}', ['accuracy %'])[0] for each in adapted(rows)),
        ]
        for name in ADAPTATION
    ]


def adaptation_differences(rows):
    table = []
    for pair in ADAPTATION_PAIRS:
        names = [f'digits_adapt_{name}' for name in pair]
        cells = [differences(each, *names) for each in adapted(rows)]
        table.append([OTHER, *(f'{mean.split(" ")[0]} {interval}' for mean, interval in cells)])
    return table


def test_accuracies_of_the_sources_come_from_the_stored_rows():
    text = ' '.join((ROOT / 'docs/adaptation.md').read_text(encoding='utf-8').split())
    all_labels, few = (
        spreads(read('adaptation_sources.csv'), name, ['accuracy %'])[0].split(' ')[0]
        for name in ('digits_all_labels', 'digits_ce')
    )
    assert f'({all_labels} % on test scenes of their own style) or with 150 ({few} %)' in text


@pytest.mark.parametrize(
    'heading, make',
    [('| config (`configs/adapt/', adaptation_rows), ('| difference |', adaptation_differences)],
)
def test_tables_of_adaptation_come_from_the_stored_rows(heading, make):
    rows = read_rows('adaptation_test.csv')
    check_table('docs/adaptation.md', heading, make(rows))
    rows[0]['accuracy'] = '40'  # negative control
    with pytest.raises(AssertionError):
        check_table('docs/adaptation.md', heading, make(rows))


def changed(results, metric):
    """The results with another value in the first one that has the metric."""
    first = results[0]
    metrics = {**first.metrics, metric: first.metrics[metric] - 0.3}
    return [replace(first, metrics=metrics), *results[1:]]


def transfer_rows(results):
    """The rows of a table without the seeds."""
    return [row[:-1] for row in spread_table(results).rows]


# The order of the page, which has what uses labels first.
INITIALISATIONS = [
    'random',
    'CE',
    'CE + MEL + NBEL',
    'full',
    'unsupervised',
    'unsupervised + views',
    'SimCLR',
    'MoCo v2',
    'SimSiam',
]


def transfer_digits_rows(results):
    linear = {name: cell for name, cell in transfer_rows(read('transfer_digits_linear.csv'))}
    rows = {row[0]: [*row, linear[row[0]]] for row in transfer_rows(results)}
    return [rows.pop(name) for name in INITIALISATIONS] + list(rows.values())


@pytest.mark.parametrize(
    'heading, file, make',
    [
        ('| initialisation | AP |', 'transfer_digits.csv', transfer_digits_rows),
        ('| initialisation, 3,000 steps', 'transfer_digits_3000_steps.csv', transfer_rows),
    ],
)
def test_tables_of_transfer_come_from_the_stored_rows(heading, file, make):
    results = read(file)
    check_table('docs/transfer.md', heading, make(results))
    with pytest.raises(AssertionError):  # negative control: a changed row
        check_table('docs/transfer.md', heading, make(changed(results, 'AP')))


def test_differences_named_in_the_page_come_from_the_stored_rows():
    text = ' '.join((ROOT / 'docs/transfer.md').read_text(encoding='utf-8').split())
    for file, pair, metric, wording in (
        ('', 'unsupervised:MoCo v2', 'AP', '{} AP, 95 % interval {} to {}'),
        ('', 'unsupervised:random', 'AP', '{} AP, {} to {}'),
        ('', 'full:CE', 'AP', '{} AP, {} to {}'),
        ('_3000_steps', 'CE + MEL + NBEL:CE', 'AP', '{} AP ({} to {})'),
        ('_3000_steps', 'best:CE', 'mIoU', '{} mIoU ({} to {})'),
    ):
        name, baseline = pair.split(':')
        title = f'{metric} % ({"digits_retinanet" if metric == "AP" else "digits_fcn"})'
        cells = differences(read(f'transfer_digits{file}.csv'), name, baseline, title)
        mean, interval = cells[0].split(' ')[0], cells[1].strip('[]').split(', ')
        assert wording.format(mean, *interval).replace('-', '−') in text


def locality_rows(rows, config):
    """Both accuracies, and means over the seeds."""
    groups: dict[tuple[str, str], list[dict]] = {}
    for row in rows:
        if row['config'] == config:
            groups.setdefault((row['penalty'], row['gamma']), []).append(row)
    return [
        [
            {'none': 'none', 'raw': "the paper's"}.get(penalty, penalty),
            OTHER,  # 1e-05 is 1e-5 there
            ' / '.join(format_number(float(row['accuracy'])) for row in group),
            *(
                format_number(mean_and_std([float(row[key]) for row in group])[0])
                for key in ('max_box_acc_v2', 'max_box_acc_v2_relative', 'cam_in_box', 'cam_area')
            ),
        ]
        for (penalty, gamma), group in groups.items()
    ]


def tables_with(page, heading) -> Sequence[str]:
    """The parts of a page that begin with this line."""
    return (ROOT / page).read_text(encoding='utf-8').split(heading)[1:]


@pytest.mark.parametrize('place, config', [(0, 'digits_ce_loc'), (1, 'digits_full')])
def test_tables_of_the_locality_penalty_come_from_the_stored_rows(place, config):
    part = tables_with('docs/cam.md', '| penalty | gamma | accuracy %, both seeds |')[place]
    table = part.partition('\n\n')[0].splitlines()[2:]
    found = [[cell.strip() for cell in line.strip('|').split('|')] for line in table]
    rows = read_rows('locality_val.csv')

    def expected():
        made = locality_rows(rows, config)
        return [
            [*cells[:1], gamma, *cells[2:]]
            for cells, (_, gamma, *_) in zip(made, found, strict=True)
        ]

    assert expected() == found
    next(row for row in rows if row['config'] == config)['cam_area'] = '14'
    assert expected() != found  # negative control


def few_label_values(rows, metric):
    """Means over the draws of each method, by labels per class."""
    groups: dict[str, dict[int, list[float]]] = {}
    for row in rows:
        by_number = groups.setdefault(row['method'], {})
        by_number.setdefault(int(row['labels_per_class']), []).append(float(row[metric]))
    numbers = sorted({number for by_number in groups.values() for number in by_number})
    return [
        [name, *(format_number(mean_and_std(by_number[number])[0]) for number in numbers)]
        if set(by_number) == set(numbers)
        else [name, *[OTHER] * len(numbers)]
        for name, by_number in groups.items()
    ]


def few_label_differences(rows, first, names):
    """Differences of a method from others with their intervals, by labels per class."""
    found = {(row['second'], int(row['labels_per_class'])): row for row in rows}
    numbers = sorted({number for _, number in found})
    return [
        [
            name,
            *(
                '{:+.1f} [{:+.1f}, {:+.1f}]'.format(
                    *(float(found[name, number][key]) for key in ('difference', 'low', 'high'))
                )
                for number in numbers
            ),
        ]
        for name in names
    ]


FEW_LABELS = (('fashion_mnist', 'accuracy', 0), ('elpv', 'mean_recall', 1))


@pytest.mark.parametrize('name, metric, place', FEW_LABELS)
def test_tables_of_few_labels_come_from_the_stored_rows(name, metric, place):
    part = tables_with('docs/few_labels.md', '| labels per class |')[place]
    found = [
        [cell.strip() for cell in line.strip('|').split('|')]
        for line in part.partition('\n\n')[0].splitlines()[2:]
    ]
    rows = read_rows(f'few_labels_{name}.csv')
    assert few_label_values(rows, metric) == found

    rows[0][metric] = '1'
    assert few_label_values(rows, metric) != found  # negative control


@pytest.mark.parametrize('name, metric, place', FEW_LABELS)
@pytest.mark.parametrize('first', ['CE + MEL + NBEL', 'FixMatch + MEL + NBEL'])
def test_differences_of_few_labels_come_from_the_stored_rows(name, metric, place, first):
    part = tables_with('docs/few_labels.md', f'| {first} minus |')[place]
    found = [
        [cell.strip() for cell in line.strip('|').split('|')]
        for line in part.partition('\n\n')[0].splitlines()[2:]
    ]
    rows = [row for row in read_rows(f'few_labels_{name}_differences.csv') if row['first'] == first]
    assert few_label_differences(rows, first, [cells[0] for cells in found]) == found


def test_areas_of_maps_on_elpv_come_from_the_stored_rows():
    text = (ROOT / 'docs/few_labels.md').read_text(encoding='utf-8')
    rows = [
        {key: float(value) for key, value in row.items()}
        for row in read_rows('few_labels_elpv_maps.csv')
    ]
    assert map_table(rows, 'mean_recall').to_markdown() in text

    rows[0]['cam_area'] = 90.0
    assert map_table(rows, 'mean_recall').to_markdown() not in text  # negative control
