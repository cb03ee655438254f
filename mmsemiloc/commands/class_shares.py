"""The work of tools/class_shares.py."""

import argparse
from pathlib import Path

from rich.console import Console

from mmsemiloc.commands.common import check_writable, load_config, read_options
from mmsemiloc.commands.knobs import set_length
from mmsemiloc.datasets.contents import class_names
from mmsemiloc.files import write_whole
from mmsemiloc.models.numerics import check_number
from mmsemiloc.study.class_shares import (
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


def run(args: argparse.Namespace) -> int:
    """Train without each part, predict, estimate, and write."""
    check_number('--ridge', args.ridge, 0)
    check_writable(args.out)
    cfg = load_config(args.config, SECTIONS, read_options(args.cfg_options))
    if args.steps is not None:
        cfg = set_length(cfg, 'steps', args.steps)
    dataset, num_classes = images_to_predict(cfg), cfg.model.head.num_classes
    plans = plan_folds(Path(args.config).stem, cfg, dataset.labels(), args.folds, args.work_dir)

    console = Console()
    with ProgressDisplay(console) as display:
        runs = [one for one, _ in plans]
        outcomes = launch(runs, 'val', display, 1, args.threads, args.force)
    if print_failures(outcomes, console):
        return 1

    # Both estimates, side by side.
    folds = [predict_fold(one, dataset, left_out) for one, left_out in plans]
    balanced = bool(cfg.train_dataloader.sampler.get('class_balanced'))
    drawn = drawn_counts(dataset, num_classes, balanced)
    em, temperature = em_of_folds(folds, drawn)
    shares = dict(bbse=bbse_of_folds(folds, args.ridge), em=em)
    write_whole(args.out, ''.join(f'{share!r}\n' for share in shares[args.method].tolist()))

    names = class_names(dataset)
    rows = [
        [
            names[label] if label < len(names) else str(label),
            *(f'{100 * values[label]:.1f}' for values in (drawn / drawn.sum(), *shares.values())),
        ]
        for label in range(num_classes)
    ]
    title = f'Class shares (%) of {dataset.num_unlabeled:,} unlabelled images'
    print_table(Table(title, ['class', 'drawn in training', *shares], rows), console)
    hits = sum(int((fold.probs.argmax(1) == fold.labels).sum()) for fold in folds)
    console.print(
        f'Left-out labelled images: {100 * hits / dataset.num_labeled:.1f} % correct; temperature '
        f'of em: {temperature:.2f}. {args.method} is in {args.out}',
        highlight=False,
        soft_wrap=True,
    )
    return 0
