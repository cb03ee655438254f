"""Train configs with several seeds and compare them."""
import argparse
import itertools
from pathlib import Path

from mmengine.config import Config
from rich.console import Console

from _cli import CfgOptions, Parser, load_config, pair, positive
from mmsemiloc.study.launch import launch
from mmsemiloc.study.plots import seed_plot
from mmsemiloc.study.progress import ProgressDisplay
from mmsemiloc.study.runs import Failure, Result, Run, plan_run
from mmsemiloc.study.steps import with_steps
from mmsemiloc.study.tables import (
    difference_table,
    pair_table,
    print_table,
    spread_table,
    values_of_seeds,
    write_csv,
    write_markdown,
)

SECTIONS = ('model', 'train_dataloader', 'train_cfg', 'optim_wrapper')
DESCRIPTION = """\
Train configs with several seeds and compare them: mean and sample standard deviation over seeds, and the difference to
the first config by seed, with the 95 % confidence interval of its mean (Student's t). Finished runs are read back, so
that a study that was stopped goes on; a run that was stopped starts over. Choose hyperparameters with --split val, and
look at --split test once, at the end."""


def make_parser() -> Parser:
    """The arguments of this tool."""
    parser = Parser(DESCRIPTION, 'python tools/study.py configs/digits/digits_ce.py configs/digits/digits_full.py '
                    '--seeds 0 1 2 --jobs 2 --csv study.csv')
    parser.add_argument('configs', nargs='+', metavar='CONFIG', help='config files; the first one is the baseline')
    parser.add_argument('--seeds', nargs='+', type=int, default=[0, 1, 2], metavar='SEED', help='(default: 0 1 2)')
    parser.add_argument('--pairs', nargs='+', type=pair, default=[], metavar='NAME:NAME',
                        help='also show the first less the second of these, by seed; a name is that of a config file without '
                        '.py, as in the tables')
    parser.add_argument('--ceiling', metavar='NAME', help='config with all labels, to show how much of the gap in accuracy '
                        'between the first config and this one each config closes')
    parser.add_argument('--split', choices=('val', 'test'), default='val', help='split of the results (default: val)')
    parser.add_argument('--steps', type=positive, metavar='N',
                        help='optimizer steps, with all schedules in proportion, to try things out (default: the config\'s)')
    parser.add_argument('--jobs', type=positive, default=1, metavar='N', help='runs side by side (default: 1)')
    parser.add_argument('--threads', type=positive, default=1, metavar='N', help='CPU threads of each run (default: 1)')
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs/study'), metavar='DIR',
                        help='folder of all runs (default: work_dirs/study)')
    parser.add_argument('--csv', type=Path, metavar='FILE', help='write one row a run to FILE')
    parser.add_argument('--markdown', type=Path, metavar='FILE', help='write the tables as Markdown to FILE')
    parser.add_argument('--plot', type=Path, metavar='FILE', help='draw the results of all seeds into FILE, a .png')
    parser.add_argument('--cfg-options', nargs='+', action=CfgOptions, default={}, metavar='KEY=VALUE',
                        help='values that replace those of every config')
    parser.add_argument('--vary', nargs='+', action=CfgOptions, default={}, metavar='KEY=VALUE,VALUE',
                        help='train every config with each of these values of one key, or all combinations of several; '
                        'the first ones are the baseline')
    parser.add_argument('--force', action='store_true', help='train finished runs again, for example after a change of code')
    return parser


def read_config(path: str, split: str, options: dict | None = None, steps: int | None = None) -> Config:
    """The config to train and to evaluate on a split."""
    args = argparse.Namespace(config=path, cfg_options=options, launcher='none', work_dir=None)
    cfg = load_config(args, (*SECTIONS, f'{split}_dataloader'))
    return cfg if steps is None else with_steps(cfg, steps)


def variants(vary: dict[str, object]) -> dict[str, dict]:
    """What to add to a config's name, and its options, for all combinations of the values of each key.

    Example:
        >>> variants({'model.head.loss_mel.loss_weight': [0.5, 1]})
        {' loss_mel.loss_weight=0.5': {...: 0.5}, ' loss_mel.loss_weight=1': {...: 1}}
    """
    keys = {key: values if isinstance(values, list) else [values] for key, values in vary.items()}
    return {''.join(f' {".".join(key.split(".")[-2:])}={value}' for key, value in zip(keys, values, strict=True)):
            dict(zip(keys, values, strict=True)) for values in itertools.product(*keys.values())}


def plan_runs(args: argparse.Namespace) -> dict[str, list[Run]]:
    """The runs of each config and variant, by their name in tables.

    Raises:
        ValueError: If two configs have the same name, a seed comes twice, a config is wrong, or a name is unknown.
    """
    names = [Path(path).stem for path in args.configs]
    for values in (names, args.seeds):
        twice = sorted({str(value) for value in values if values.count(value) > 1})
        if twice:
            raise ValueError(f'each config (by its file name) and each seed can be given once, got twice: {", ".join(twice)}')
    if 'steps' in {**args.cfg_options, **args.vary}:
        raise ValueError('--cfg-options and --vary steps=... would not change the values that follow from it; use --steps')
    configs = {name + variant: read_config(path, args.split, {**args.cfg_options, **options}, args.steps)
               for name, path in zip(names, args.configs, strict=True) for variant, options in variants(args.vary).items()}
    unknown = sorted({*itertools.chain(*args.pairs), *([args.ceiling] if args.ceiling else [])} - configs.keys())
    if unknown:
        raise ValueError(f'--pairs and --ceiling need names of the study, {", ".join(configs)}; got {", ".join(unknown)}')
    return {name: [plan_run(name, cfg, seed, args.work_dir) for seed in args.seeds] for name, cfg in configs.items()}


def report(outcomes: list[Result | Failure], names: list[str], args: argparse.Namespace, console: Console) -> None:
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
            options = ' '.join(f'{key}={value}' for key, value in args.cfg_options.items())
            write_csv(results, args.csv, options=options)
        if args.markdown:
            write_markdown(tables, args.markdown)
        if args.plot:
            args.plot.parent.mkdir(parents=True, exist_ok=True)
            args.plot.write_bytes(seed_plot(values_of_seeds(results)))
    for outcome in outcomes:
        if isinstance(outcome, Failure):
            console.print(f'FAILED {outcome.label}: {outcome.message}\n  log: {outcome.log}', markup=False, soft_wrap=True)


def main() -> None:
    """Run the tool."""
    parser = make_parser()
    args = parser.parse_args()
    with parser.one_line_errors():
        runs = plan_runs(args)
    console = Console()
    with ProgressDisplay(console) as display:
        # For each seed all configs, so that comparisons are complete early.
        by_seed = [run for of_seed in zip(*runs.values(), strict=True) for run in of_seed]
        outcomes = launch(by_seed, args.split, display, args.jobs, args.threads, args.force)
    report(outcomes, list(runs), args, console)
    if any(isinstance(outcome, Failure) for outcome in outcomes):
        raise SystemExit(1)


if __name__ == '__main__':
    main()
