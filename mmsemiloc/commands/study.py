"""The work of tools/study.py."""

import argparse
import itertools
from collections.abc import Sequence
from pathlib import Path

from mmengine.config import Config
from rich.console import Console

from mmsemiloc.commands.common import load_config, read_options
from mmsemiloc.commands.knobs import set_length
from mmsemiloc.files import write_whole
from mmsemiloc.study.comparison import (
    cost_table,
    difference_table,
    pairs_with,
    spread_table,
    values_of_seeds,
)
from mmsemiloc.study.launch import launch, print_failures
from mmsemiloc.study.progress import ProgressDisplay
from mmsemiloc.study.results import Result, write_results
from mmsemiloc.study.runs import Run, plan_run
from mmsemiloc.study.tables import print_table, write_markdown
from mmsemiloc.visualization.plots import seed_plot

SECTIONS = ('model', 'train_dataloader', 'train_cfg', 'optim_wrapper')


def read_config(
    path: str, split: str, options: dict | None = None, steps: int | None = None
) -> Config:
    """The config to train and to evaluate on a split."""
    cfg = load_config(path, (*SECTIONS, f'{split}_dataloader'), options)
    return cfg if steps is None else set_length(cfg, 'steps', steps)


def variants(vary: dict[str, object]) -> dict[str, dict]:
    """All combinations of the values of each key.

    Returns:
        The options of each combination, by what it adds to the name of a config.

    Example:
        >>> variants({'model.head.loss_mel.loss_weight': [0.5, 1]})
        {' loss_mel.loss_weight=0.5': {...: 0.5}, ' loss_mel.loss_weight=1': {...: 1}}
    """
    keys = {key: values if isinstance(values, list) else [values] for key, values in vary.items()}
    return {
        ''.join(
            f' {".".join(key.split(".")[-2:])}={value}'
            for key, value in zip(keys, values, strict=True)
        ): dict(zip(keys, values, strict=True))
        for values in itertools.product(*keys.values())
    }


def refuse_twice(values: Sequence[object]) -> None:
    """Check that each config or seed comes once.

    Raises:
        ValueError: If one comes twice.
    """
    twice = sorted({str(value) for value in values if values.count(value) > 1})
    if twice:
        raise ValueError(
            'each config (by its file name) and each seed can be given once, got twice: '
            f'{", ".join(twice)}'
        )


def plan_runs(args: argparse.Namespace) -> dict[str, list[Run]]:
    """The runs of each config and variant, by their name in tables.

    Raises:
        ValueError: If two configs have the same name, a seed comes twice, a config is wrong, or a
            name is unknown.
    """
    names = [Path(path).stem for path in args.configs]
    refuse_twice(names)
    refuse_twice(args.seeds)

    # Every config with every combination of the values of --vary.
    given, vary = read_options(args.cfg_options), read_options(args.vary)
    configs = {
        name + variant: read_config(path, args.split, {**given, **options}, args.steps)
        for name, path in zip(names, args.configs, strict=True)
        for variant, options in variants(vary).items()
    }

    # Before the time that runs take.
    asked = {*itertools.chain(*args.pairs), *([args.ceiling] if args.ceiling else [])}
    unknown = sorted(asked - configs.keys())
    if unknown:
        raise ValueError(
            f'--pairs and --ceiling need names of the study, {", ".join(configs)}; got '
            f'{", ".join(unknown)}'
        )
    return {
        name: [plan_run(name, cfg, seed, args.work_dir) for seed in args.seeds]
        for name, cfg in configs.items()
    }


def report(
    results: list[Result], names: list[str], args: argparse.Namespace, console: Console
) -> None:
    """Print the tables, and write the files.

    Args:
        results: At least one, in any order.
        names: The configs and variants, in the order of the tables.
        args: The arguments of the tool.
        console: Where to print.
    """
    results = sorted(results, key=lambda result: names.index(result.name))
    baseline = results[0].name

    gap = (names[0], args.ceiling) if args.ceiling else None
    pairs = [*pairs_with(results, baseline), *args.pairs]
    tables = [spread_table(results, gap), cost_table(results), difference_table(results, pairs)]
    shown = [table for table in tables if table is not None]
    for table in shown:
        print_table(table, console)

    if args.csv:
        write_results(results, args.csv, options=' '.join(args.cfg_options or []))
    if args.markdown:
        write_markdown(shown, args.markdown)
    if args.plot:
        args.plot.parent.mkdir(parents=True, exist_ok=True)
        write_whole(args.plot, seed_plot(values_of_seeds(results)))


def run(args: argparse.Namespace) -> int:
    """Train, and compare."""
    runs = plan_runs(args)
    console = Console()
    with ProgressDisplay(console) as display:
        # For each seed all configs, so that comparisons are complete early.
        by_seed = [run for of_seed in zip(*runs.values(), strict=True) for run in of_seed]
        outcomes = launch(by_seed, args.split, display, args.jobs, args.threads, args.force)

    results = [outcome for outcome in outcomes if isinstance(outcome, Result)]
    if results:
        report(results, list(runs), args, console)
    return 1 if print_failures(outcomes, console) else 0
