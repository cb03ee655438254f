"""The work of tools/quickstart.py."""

import argparse
import os
import sys
from pathlib import Path

from mmengine.config import Config
from rich.console import Console

from mmsemiloc.commands.knobs import set_length
from mmsemiloc.commands.study import read_config
from mmsemiloc.engine.hooks.cam_evolution_hook import read_rows
from mmsemiloc.files import write_whole
from mmsemiloc.study.cam_report import evolution_cards, strips_html
from mmsemiloc.study.evaluate import Evaluation
from mmsemiloc.study.launch import launch
from mmsemiloc.study.progress import ProgressDisplay
from mmsemiloc.study.report import Model, make_report
from mmsemiloc.study.results import TITLES, Failure, Result
from mmsemiloc.study.runs import Run, plan_run
from mmsemiloc.study.spreads import format_spread
from mmsemiloc.study.tables import Table, print_table

NAMES = {'digits_ce': 'CE only', 'digits_full': 'full loss', 'best': 'best recipe'}
# With two runs at a time on 2 cores of a laptop.
SECONDS_PER_STEP = {'digits_ce': 0.04, 'digits_full': 0.08, 'best': 0.11}
INTRODUCTIONS = {
    'digits_ce': 'CE only: cross-entropy on the labelled images.',
    'digits_full': (
        'Full loss: the same, with penalties on doubtful predictions, on predictions that use few '
        'classes, and on large activation maps. The penalties count for unlabelled images as well.'
    ),
    'best': (
        'Best recipe: the full loss, with a mean teacher. The model learns to give, for a strongly '
        "changed view of an unlabelled image, the teacher's prediction of the image "
        '(docs/comparison.md).'
    ),
}
FOLLOWED = 64  # images whose maps are scored during training
EVOLUTION = (
    f'The same {FOLLOWED} images of the validation split before, during and after the training. '
    'They are few, so the values jump, and differ from those of the table. Below are the first two '
    'of them (other images than above), with the map of the class that was predicted at that step.'
)
SHOWN = ('accuracy', 'classes_used', 'max_box_acc_v2', 'cam_in_box', 'cam_area')


def cpu_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1


def plan_runs(args: argparse.Namespace) -> list[Run]:
    """CE, the full loss and the extra configs, all with the same steps and seed.

    Raises:
        ValueError: If a config is wrong or comes twice.
    """
    paths = [args.configs / 'digits_ce.py', args.configs / 'digits_full.py', *map(Path, args.extra)]
    names = [path.stem for path in paths]
    if len(set(names)) < len(names):
        raise ValueError(
            f'--extra needs file names other than {", ".join(names[:2])} and each other, got '
            f'{args.extra}'
        )

    configs = [read_config(str(path), 'test') for path in paths]
    steps = args.steps or configs[1].train_cfg.max_iters
    runs = [
        plan_run(name, set_length(cfg, 'steps', steps), args.seed, args.work_dir / 'runs')
        for name, cfg in zip(names, configs, strict=True)
    ]

    # After the names of the folders are fixed: tools/study.py reads the same runs back.
    for run in runs:
        follow_maps(run.cfg)
    return runs


def follow_maps(cfg: Config) -> None:
    """Add a hook that scores maps before, at quarters of, and after the training.

    The training stays as it is. Nothing is added without a validation split, or without a head
    that is sure to have maps.
    """
    has_maps = str((cfg.model.get('head') or {}).get('type')).rpartition('.')[2] == 'CAMClsHead'
    if cfg.get('val_dataloader') is not None and has_maps:
        hook = dict(
            type='mmsemiloc.CAMEvolutionHook',
            by_epoch=False,
            interval=-(-cfg.train_cfg.max_iters // 4),
            num_images=FOLLOWED,
            num_strips=2,
        )
        cfg.custom_hooks = [*(cfg.get('custom_hooks') or []), hook]


def name_of(run: Run | Result) -> str:
    """The name of a model in the table and on the page."""
    return NAMES.get(run.name, run.name)


def evolution_section(runs: list[Run]) -> list[tuple[str, str, str]]:
    """The part of the page that shows how the maps changed.

    Empty if all runs are older ones without the hook.
    """
    rows = {name_of(run): read_rows(run.folder / 'cam_evolution.csv') for run in runs}
    if not any(rows.values()):
        return []

    points = {name: [{**row, 'step': row['iter']} for row in lines] for name, lines in rows.items()}
    strips = [
        (f'image {index}, {name_of(run)}', path.read_bytes())
        for index in range(2)
        for run in runs
        if (path := run.folder / f'cam_evolution/{index:03d}.png').is_file()
    ]
    content = evolution_cards(points, 'step') + strips_html(strips)
    return [('How the maps changed', EVOLUTION, content)]


def result_table(results: list[Result]) -> Table:
    """One row per model, and two for uninformed baselines; narrow enough for 80 columns."""
    rows = []
    for result in results:
        cells = {metric: format_spread([result.metrics[metric]]) for metric in SHOWN}
        classes = '{classes_used} of {num_classes}'.format(**result.metrics)
        cells['classes_used'] = classes
        rows.append([name_of(result), *cells.values(), f'{result.cost.seconds:.0f}'])

    # What a map without any idea of the place would get.
    known = results[0].metrics
    if known['box_area'] is not None:
        uniform = dict(cam_in_box=format_spread([known['box_area']]), cam_area='100.0')
        centre = dict(max_box_acc_v2=format_spread([known['centre_box_acc_v2']]))
        for name, baseline in (('uniform map', uniform), ('centre map', centre)):
            rows.append([name, *(baseline.get(metric, '–') for metric in SHOWN), '–'])

    columns = ['model', *(TITLES[metric] for metric in SHOWN), 'seconds']
    return Table(f'{results[0].split} split', columns, rows)


def introduction(results: list[Result]) -> str:
    """What was done."""
    models = ' '.join(
        INTRODUCTIONS[result.name] for result in results if result.name in INTRODUCTIONS
    )
    return (
        'A small DenseNet was trained on handwritten digits over photographs, of which only a few '
        f'have a label. {models} All models were trained for {results[0].cost.steps} steps with '
        f'seed {results[0].seed}. This is one seed: tools/study.py compares several.'
    )


def announcement(runs: list[Run], report: Path) -> str:
    """What is trained, how long it takes, and what it gives."""
    steps = runs[0].cfg.train_cfg.max_iters
    default = SECONDS_PER_STEP['digits_full']
    seconds = steps * sum(SECONDS_PER_STEP.get(run.name, default) for run in runs)
    minutes = max(1, round(seconds / 60))
    return (
        f'Trains on DigitScenes, {steps} steps each: {", ".join(map(name_of, runs))}.\n'
        f'About {minutes} min on 2 CPU cores; then see {report}'
    )


def write_report(runs: list[Run], results: list[Result], table: Table, path: Path) -> None:
    """Write the page."""
    models = []
    for run, result in zip(runs, results, strict=True):
        evaluation = Evaluation.load(run.predictions(result.split))
        config = run.config.read_text(encoding='utf-8')
        models.append(Model(name_of(run), result, evaluation, config))

    more = evolution_section(runs)
    title = 'Quickstart of mmsemiloc'
    write_whole(path, make_report(title, introduction(results), table, models, more))


def run(args: argparse.Namespace) -> int:
    """Train, compare and report."""
    runs = plan_runs(args)
    console = Console()
    report = args.work_dir / 'report.html'
    console.print(announcement(runs, report), highlight=False, soft_wrap=True)

    with ProgressDisplay(console) as display:
        outcomes = launch(runs, 'test', display, jobs=min(len(runs), cpu_cores()), force=args.force)

    # A comparison needs all of its models, so the first failure ends it.
    for outcome in outcomes:
        if isinstance(outcome, Failure):
            line = f'{outcome.label} failed: {outcome.message}\n  log: {outcome.log}'
            print(f'quickstart.py: {line}', file=sys.stderr)
            return 1

    results = [outcome for outcome in outcomes if isinstance(outcome, Result)]
    table = result_table(results)
    print_table(table, console)
    write_report(runs, results, table, report)

    console.print(f'Report: {report}', highlight=False, soft_wrap=True)
    console.print(
        'Next: your own images, see "Your own data" in README.md; several seeds: tools/study.py '
        '--help',
        highlight=False,
        soft_wrap=True,
    )
    return 0
