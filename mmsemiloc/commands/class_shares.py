"""The work of tools/class_shares.py."""

import argparse
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from mmengine.config import Config
from rich.console import Console

from mmsemiloc.commands.common import check_writable, load_config, read_options
from mmsemiloc.commands.knobs import set_length
from mmsemiloc.datasets import SemiSupDataset
from mmsemiloc.datasets.contents import class_names
from mmsemiloc.files import write_csv, write_whole
from mmsemiloc.models.numerics import check_number
from mmsemiloc.study.class_shares import (
    Fold,
    bbse_of_folds,
    drawn_counts,
    em_of_folds,
    images_to_predict,
    plan_folds,
    predict_fold,
)
from mmsemiloc.study.launch import launch, print_failures
from mmsemiloc.study.progress import ProgressDisplay
from mmsemiloc.study.tables import Table, print_table

SECTIONS = ('model', 'train_dataloader', 'train_cfg', 'optim_wrapper', 'val_dataloader')


def read_config(args: argparse.Namespace) -> Config:
    """The config to train, of the length that is asked for."""
    cfg = load_config(args.config, SECTIONS, read_options(args.cfg_options))
    return cfg if args.steps is None else set_length(cfg, 'steps', args.steps)


def train_folds(
    cfg: Config, dataset: SemiSupDataset, args: argparse.Namespace, console: Console
) -> list[Fold] | None:
    """What the classifier of each fold predicts; None if one could not be trained."""
    num_classes = cfg.model.head.num_classes
    numbers = dataset.labels(), num_classes, args.folds
    plans = plan_folds(Path(args.config).stem, cfg, *numbers, args.work_dir)
    with ProgressDisplay(console) as display:
        runs = [run for run, _ in plans]
        outcomes = launch(runs, 'val', display, 1, args.threads, args.force)
    if print_failures(outcomes, console):
        return None
    return [predict_fold(run, dataset, left_out) for run, left_out in plans]


def estimates(
    folds: list[Fold], drawn: np.ndarray, args: argparse.Namespace, console: Console
) -> dict[str, np.ndarray]:
    """Shares (C,) by EM and BBSE; BBSE's are left out if they are not determined nor asked for."""
    shares, temperature = em_of_folds(folds, drawn)
    found = dict(em=shares)
    try:
        found['bbse'] = bbse_of_folds(folds, args.ridge)
    except ValueError as error:
        if args.method == 'bbse':
            raise
        console.print(f'No estimate by bbse: {error}', highlight=False, soft_wrap=True)

    hits = np.concatenate([fold.probs.argmax(1) == fold.labels for fold in folds])
    console.print(
        f'Left-out labelled images: {100 * hits.mean():.1f} % correct; temperature of em: '
        f'{temperature:.2f}',
        highlight=False,
        soft_wrap=True,
    )
    return found


def print_shares(names: list[str], columns: Mapping[str, np.ndarray], console: Console) -> None:
    """A table of shares in per cent, with a row for each class."""
    rows = [
        [name, *(f'{100 * values[label]:.1f}' for values in columns.values())]
        for label, name in enumerate(names)
    ]
    print_table(Table('Class shares, %', ['class', *columns], rows), console)


def run(args: argparse.Namespace) -> int:
    """Train without each part, predict, estimate, and write."""
    check_number('--ridge', args.ridge, 0)
    for file in filter(None, (args.out, args.csv)):
        check_writable(file)
    cfg, console = read_config(args), Console()
    dataset = images_to_predict(cfg)
    folds = train_folds(cfg, dataset, args, console)
    if folds is None:
        return 1

    # Shares in training are those of the labelled images, or equal where the sampler makes them so.
    num_classes = cfg.model.head.num_classes
    balanced = bool(cfg.train_dataloader.sampler.get('class_balanced'))
    drawn = drawn_counts(dataset, num_classes, balanced)
    found = estimates(folds, drawn, args, console)
    write_whole(args.out, ''.join(f'{share!r}\n' for share in found[args.method].tolist()))

    known = class_names(dataset)
    names = [known[i] if i < len(known) else str(i) for i in range(num_classes)]
    columns = dict(drawn=drawn / drawn.sum(), **found)
    print_shares(names, columns, console)
    if args.csv:
        rows = [
            {'class': name, **{key: float(values[i]) for key, values in columns.items()}}
            for i, name in enumerate(names)
        ]
        write_csv(args.csv, rows)
    console.print(f'{args.method} is in {args.out}', highlight=False, soft_wrap=True)
    return 0
