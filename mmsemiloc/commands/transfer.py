"""The work of tools/transfer.py."""

import argparse
import itertools
from collections.abc import Sequence
from pathlib import Path

from mmengine.config import Config
from rich.console import Console

from mmsemiloc.commands.common import check_checkpoint, load_config
from mmsemiloc.commands.knobs import replace_root, set_length
from mmsemiloc.datasets.dense_digit_scenes import write_dense_scenes
from mmsemiloc.files import write_whole
from mmsemiloc.study.comparison import cost_table, difference_table, pairs_with, spread_table
from mmsemiloc.study.launch import launch, print_failures
from mmsemiloc.study.progress import ProgressDisplay
from mmsemiloc.study.report import page, table_html
from mmsemiloc.study.results import Result, write_results
from mmsemiloc.study.runs import NO_TEST, Run
from mmsemiloc.study.steps import with_length
from mmsemiloc.study.tables import Table, print_table, write_markdown
from mmsemiloc.study.transfer import RANDOM, TransferRun, check_start, initialised, plan_transfer

SECTIONS = ('model', 'train_dataloader', 'train_cfg', 'optim_wrapper')
# What `digits` pre-trains, by its name in tables, and fine-tunes.
PRETRAINING = {
    'CE': 'digits/digits_ce.py',
    'unsupervised': 'transfer/digits/digits_unsupervised.py',
    'unsupervised + views': 'transfer/digits/digits_unsupervised_views.py',
    'CE + MEL + NBEL': 'digits/digits_ce_mel_nbel.py',
    'full': 'digits/digits_full.py',
    'SimCLR': 'transfer/digits/digits_simclr.py',
    'MoCo v2': 'transfer/digits/digits_mocov2.py',
    'SimSiam': 'transfer/digits/digits_simsiam.py',
}
TASKS = ('transfer/digits/digits_retinanet.py', 'transfer/digits/digits_fcn.py')
DENSE = 'data/dense_digits'  # the data_root of these
IMAGES = dict(train=100, test=200)
SHARE, QUICK_SHARE = 1 / 5, 1 / 20  # of the steps of the pre-training configs
QUICK_STEPS = 100  # of the tasks


def read(path: str | Path) -> Config:
    """A config, with what tools fill in."""
    return load_config(path, SECTIONS)


def plan_tasks(
    tasks: dict[str, Config], checkpoints: dict[str, dict[int, str]], args: argparse.Namespace
) -> list[TransferRun]:
    """The runs of all tasks from each initialisation, seed by seed.

    Args:
        tasks: The config of each task.
        checkpoints: Of each name, the file of each seed. Random weights are always there.
        args: The arguments of the tool.

    Raises:
        ValueError: If a checkpoint cannot be loaded, or does not fit the backbone of a task.
    """
    runs = []
    for seed in args.seeds:
        for name, files in {RANDOM: {}, **checkpoints}.items():
            checkpoint = str(Path(files[seed]).resolve()) if files else None
            if checkpoint is not None:
                check_checkpoint(checkpoint)

            for task, cfg in tasks.items():
                if checkpoint is not None:
                    check_start(cfg, checkpoint)
                start = initialised(cfg, checkpoint)
                runs.append(plan_transfer(name, task, start, seed, args.work_dir))
    return runs


def moved(cfg: Config, data_root: Path) -> Config:
    """A copy of a task of ``digits`` with its images in another folder."""
    content = cfg.to_dict()
    replace_root(content, DENSE, str(data_root.resolve()))
    return Config(content)


def plan_pretraining(args: argparse.Namespace) -> list[TransferRun]:
    """The runs that make the checkpoints of ``digits``."""
    share = QUICK_SHARE if args.quick else SHARE
    runs = []
    for seed in args.seeds:
        for name, path in PRETRAINING.items():
            cfg = read(args.configs / path)
            cfg = with_length(cfg, round(cfg.train_cfg.max_iters * share))
            runs.append(plan_transfer(name, 'pre-training', cfg, seed, args.work_dir))
    return runs


def digits_tasks(args: argparse.Namespace) -> dict[str, Config]:
    """The tasks of ``digits``; writes their images."""
    data_root = args.work_dir / ('quick_data' if args.quick else 'data')
    for split, count in IMAGES.items():
        write_dense_scenes(data_root, split, count // 2 if args.quick else count)

    paths = [Path(path) for path in args.tasks[1:]] or [args.configs / path for path in TASKS]
    tasks = {path.stem: moved(read(path), data_root) for path in paths}
    if args.quick:
        tasks = {name: set_length(cfg, 'steps', QUICK_STEPS) for name, cfg in tasks.items()}
    return tasks


def write_html(tables: Sequence[Table], path: Path) -> None:
    """Write the tables as a page."""
    sections = [(table.title, '', table_html(table)) for table in tables]
    text = page('Transfer', 'Each task, fine-tuned from each initialisation.', sections)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, text)


def report(
    results: list[Result], costs: list[Result], args: argparse.Namespace, console: Console
) -> None:
    """Print the tables and write the files.

    Args:
        results: Of the tasks.
        costs: Of the pre-training, if there was any.
        args: The arguments of the tool.
        console: Where to print.
    """
    differences = difference_table(results, [*pairs_with(results, RANDOM), *args.pairs])
    tables = [spread_table(results), differences, cost_table([*costs, *results])]
    shown = [table for table in tables if table is not None]
    for table in shown:
        print_table(table, console)

    if args.csv:
        write_results(results, args.csv)
    if args.markdown:
        write_markdown(shown, args.markdown)
    if args.html:
        write_html(shown, args.html)


def launch_all(
    runs: Sequence[Run], split: str, args: argparse.Namespace, console: Console
) -> list[Result]:
    """Train and test; the results, if there is no failure.

    Raises:
        SystemExit: If a run has failed, after all others have ended.
    """
    with ProgressDisplay(console) as display:
        outcomes = launch(runs, split, display, args.jobs, args.threads, args.force)
    if print_failures(outcomes, console):
        raise SystemExit(1)
    return [outcome for outcome in outcomes if isinstance(outcome, Result)]


def check_names(args: argparse.Namespace, digits: bool) -> None:
    """Check what the arguments ask for.

    Raises:
        ValueError: If ``--quick`` is given for other tasks than ``digits``, or ``--pairs`` has an
            unknown name.
    """
    if args.quick and not digits:
        raise ValueError('--quick goes with digits')
    names = {RANDOM, *(dict(args.checkpoints) or (PRETRAINING if digits else {}))}
    unknown = sorted({*itertools.chain(*args.pairs)} - names)
    if unknown:
        raise ValueError(
            f'--pairs needs names of the study, {", ".join(sorted(names))}; got '
            f'{", ".join(unknown)}'
        )


def run(args: argparse.Namespace) -> int:
    """Pre-train if that is asked for, fine-tune, and compare."""
    digits, console = args.tasks[0] == 'digits', Console()
    check_names(args, digits)
    if args.quick:
        args.seeds = args.seeds[:1]

    # All is checked before anything is trained.
    pretraining = plan_pretraining(args) if digits and not args.checkpoints else []
    tasks = digits_tasks(args) if digits else {Path(path).stem: read(path) for path in args.tasks}
    checkpoints = {
        name: {seed: file.format(seed=seed) for seed in args.seeds}
        for name, file in args.checkpoints
    }
    runs = plan_tasks(tasks, checkpoints, args)

    # The checkpoints of digits are there after its pre-training.
    costs = launch_all(pretraining, NO_TEST, args, console)
    if pretraining:
        for each in pretraining:
            checkpoints.setdefault(each.name, {})[each.seed] = str(each.checkpoint())
        runs = plan_tasks(tasks, checkpoints, args)

    report(launch_all(runs, 'test', args, console), costs, args, console)
    return 0
