"""The work of tools/fit.py."""

import argparse

from rich.console import Console
from rich.progress import Progress, TaskID

from mmsemiloc.few_labels.fit import fit


def run(args: argparse.Namespace) -> int:
    """Fit a classifier to photographs; the exit code."""
    console = Console(highlight=False)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        tasks: dict[str, TaskID] = {}

        def show(stage: str, step: int, total: int) -> None:
            """Move the bar of a stage."""
            if stage not in tasks:
                tasks[stage] = progress.add_task(stage, total=total)
            progress.update(tasks[stage], completed=step)

        fit(
            args.photos,
            args.labels,
            labeled=args.labeled,
            unlabeled=args.unlabeled,
            backbone=args.backbone,
            weights=args.weights,
            work_dir=args.work_dir,
            cache=args.cache,
            views=args.views,
            folds=args.folds,
            seed=args.seed,
            finetune=args.finetune,
            finetune_steps=args.finetune_steps,
            allow_links=args.allow_links,
            say=lambda line: console.print(line, soft_wrap=True, markup=False),
            done=show,
        )
    return 0
