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
from mmsemiloc.study.cam_report import evolution_cards, strips_html
from mmsemiloc.study.evaluate import Evaluation
from mmsemiloc.study.launch import launch
from mmsemiloc.study.progress import ProgressDisplay
from mmsemiloc.study.report import Model, make_report
from mmsemiloc.study.runs import Failure, Result, Run, plan_run
from mmsemiloc.study.tables import METRICS, Table, format_spread, print_table

TITLES = {'digits_ce': 'CE only', 'digits_full': 'full loss', 'best': 'best recipe'}
SECONDS_A_STEP = {
    'digits_ce': 0.04,
    'digits_full': 0.08,
    'best': 0.11,
}  # with two trainings at a time on 2 cores of a laptop
INTRODUCTIONS = {
    'digits_ce': 'CE only: cross-entropy on the labelled images.',
    'digits_full': (
        'Full loss: the same, and penalties on doubtful predictions, on predictions that use few '
        'classes, and on large activation maps, on the unlabelled images as well.'
    ),
    'best': (
        'Best recipe: the full loss, and a mean teacher whose prediction of an unlabelled image '
        'the model is to give for a strongly changed view of it, too (docs/comparison.md).'
    ),
}
FOLLOWED = 64  # images whose maps are scored during training
EVOLUTION = f"""The same {FOLLOWED} images of the validation split before, during and after the training: few, so the values
jump, and differ from those of the table. Below, the first two of them (other images than above) with the map of the class
that was predicted at that step."""
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
    for run in runs:  # not before: it is no other run, which tools/study.py reads back as well
        follow_maps(run.cfg)
    return runs


def follow_maps(cfg: Config) -> None:
    """Add a hook that scores maps before, at quarters of, and after the training, which it leaves
    as it is.

    Nothing is added without a validation split, or without a head that is sure to have maps.
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


def evolution_section(runs: list[Run]) -> list[tuple[str, str, str]]:
    """The part of the page that shows how the maps changed.

    None if all runs are older ones without the hook.
    """
    rows = {
        TITLES.get(run.name, run.name): read_rows(run.folder / 'cam_evolution.csv') for run in runs
    }
    points = {name: [{**row, 'step': row['iter']} for row in lines] for name, lines in rows.items()}
    strips = [
        (f'image {index}, {TITLES.get(run.name, run.name)}', path.read_bytes())
        for index in range(2)
        for run in runs
        if (path := run.folder / f'cam_evolution/{index:03d}.png').is_file()
    ]
    content = evolution_cards(points, 'step') + strips_html(strips)
    return [('How the maps changed', EVOLUTION, content)] if any(rows.values()) else []


def result_table(results: list[Result]) -> Table:
    """One row per model, and two for uninformed baselines; narrow enough for 80 columns."""
    rows = []
    for result in results:
        maps = [
            format_spread([value])
            for value in (result.max_box_acc_v2, result.cam_in_box, result.cam_area)
        ]
        rows.append(
            [
                TITLES.get(result.name, result.name),
                f'{result.accuracy:.1f}',
                f'{result.classes_used} of {result.num_classes}',
                *maps,
                f'{result.seconds:.0f}',
            ]
        )
    if results[0].box_area is not None:
        rows.append(['uniform map', '–', '–', '–', f'{results[0].box_area:.1f}', '100.0', '–'])
        rows.append(['centre map', '–', '–', f'{results[0].centre_box_acc_v2:.1f}', '–', '–', '–'])
    return Table(
        f'{results[0].split} split', ['model', *(METRICS[name] for name in SHOWN), 'seconds'], rows
    )


def introduction(results: list[Result]) -> str:
    """What was done."""
    models = ' '.join(
        INTRODUCTIONS[result.name] for result in results if result.name in INTRODUCTIONS
    )
    return (
        'A small DenseNet was trained on handwritten digits over photographs, of which only a few '
        f'have a label. {models} All models were trained for {results[0].steps} steps with seed '
        f'{results[0].seed}. It is one seed: tools/study.py compares several.'
    )


def announcement(runs: list[Run], report: Path) -> str:
    """What is trained, how long it takes, and what it gives."""
    steps = runs[0].cfg.train_cfg.max_iters
    seconds = steps * sum(
        SECONDS_A_STEP.get(run.name, SECONDS_A_STEP['digits_full']) for run in runs
    )
    titles = ', '.join(TITLES.get(run.name, run.name) for run in runs)
    return (
        f'Trains on DigitScenes, {steps} steps each: {titles}.\n'
        f'About {max(1, round(seconds / 60))} min on 2 CPU cores; then see {report}'
    )


def write_report(runs: list[Run], results: list[Result], table: Table, path: Path) -> None:
    """Write the page."""
    models = []
    for run, result in zip(runs, results, strict=True):
        evaluation = Evaluation.load(run.predictions(result.split))
        models.append(
            Model(
                TITLES.get(run.name, run.name),
                result,
                evaluation,
                run.config.read_text(encoding='utf-8'),
            )
        )
    page = make_report(
        'Quickstart of mmsemiloc', introduction(results), table, models, evolution_section(runs)
    )
    path.write_text(page, encoding='utf-8')


def run(args: argparse.Namespace) -> int:
    """Train, compare and report."""
    runs = plan_runs(args)
    console = Console()
    report = args.work_dir / 'report.html'
    console.print(announcement(runs, report), highlight=False, soft_wrap=True)
    with ProgressDisplay(console) as display:
        outcomes = launch(runs, 'test', display, jobs=min(len(runs), cpu_cores()), force=args.force)
    results = [outcome for outcome in outcomes if isinstance(outcome, Result)]
    for outcome in outcomes:
        if isinstance(outcome, Failure):
            print(
                f'quickstart.py: {outcome.label} failed: {outcome.message}\n  log: {outcome.log}',
                file=sys.stderr,
            )
            return 1
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
