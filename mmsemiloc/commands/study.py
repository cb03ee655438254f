"""The work of tools/study.py."""

import argparse
import itertools
from pathlib import Path

from mmengine.config import Config
from rich.console import Console

from mmsemiloc.commands.common import load_config, read_options
from mmsemiloc.commands.knobs import set_length
from mmsemiloc.study.launch import launch
from mmsemiloc.study.progress import ProgressDisplay
from mmsemiloc.study.runs import Failure, Result, Run, plan_run
from mmsemiloc.study.tables import (
    difference_table,
    pair_table,
    print_table,
    spread_table,
    values_of_seeds,
    write_csv,
    write_markdown,
)
from mmsemiloc.visualization.plots import seed_plot

SECTIONS = ('model', 'train_dataloader', 'train_cfg', 'optim_wrapper')


def read_config(
    path: str, split: str, options: dict | None = None, steps: int | None = None
) -> Config:
    """The config to train and to evaluate on a split."""
    cfg = load_config(path, (*SECTIONS, f'{split}_dataloader'), options)
    return cfg if steps is None else set_length(cfg, 'steps', steps)


def variants(vary: dict[str, object]) -> dict[str, dict]:
    """What to add to a config's name, and its options, for all combinations of the values of each
    key.

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


def plan_runs(args: argparse.Namespace) -> dict[str, list[Run]]:
    """The runs of each config and variant, by their name in tables.

    Raises:
        ValueError: If two configs have the same name, a seed comes twice, a config is wrong, or a
            name is unknown.
    """
    names = [Path(path).stem for path in args.configs]
    for values in (names, args.seeds):
        twice = sorted({str(value) for value in values if values.count(value) > 1})
        if twice:
            raise ValueError(
                'each config (by its file name) and each seed can be given once, got twice: '
                f'{", ".join(twice)}'
            )
    given, vary = read_options(args.cfg_options), read_options(args.vary)
    configs = {
        name + variant: read_config(path, args.split, {**given, **options}, args.steps)
        for name, path in zip(names, args.configs, strict=True)
        for variant, options in variants(vary).items()
    }
    unknown = sorted(
        {*itertools.chain(*args.pairs), *([args.ceiling] if args.ceiling else [])} - configs.keys()
    )
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
    outcomes: list[Result | Failure], names: list[str], args: argparse.Namespace, console: Console
) -> None:
    """Print the tables, write the files and name the failures."""
    results = [outcome for outcome in outcomes if isinstance(outcome, Result)]
    results.sort(key=lambda result: names.index(result.name))
    if results:
        spread = spread_table(results, (names[0], args.ceiling) if args.ceiling else None)
        differences = [difference_table(results), pair_table(results, args.pairs)]
        tables = [spread, *(table for table in differences if table is not None)]
        for table in tables:
            print_table(table, console)
        if args.csv:
            write_csv(results, args.csv, options=' '.join(args.cfg_options or []))
        if args.markdown:
            write_markdown(tables, args.markdown)
        if args.plot:
            args.plot.parent.mkdir(parents=True, exist_ok=True)
            args.plot.write_bytes(seed_plot(values_of_seeds(results)))
    for outcome in outcomes:
        if isinstance(outcome, Failure):
            console.print(
                f'FAILED {outcome.label}: {outcome.message}\n  log: {outcome.log}',
                markup=False,
                soft_wrap=True,
            )


def run(args: argparse.Namespace) -> int:
    """Train, and compare."""
    runs = plan_runs(args)
    console = Console()
    with ProgressDisplay(console) as display:
        # For each seed all configs, so that comparisons are complete early.
        by_seed = [run for of_seed in zip(*runs.values(), strict=True) for run in of_seed]
        outcomes = launch(by_seed, args.split, display, args.jobs, args.threads, args.force)
    report(outcomes, list(runs), args, console)
    return 1 if any(isinstance(outcome, Failure) for outcome in outcomes) else 0
