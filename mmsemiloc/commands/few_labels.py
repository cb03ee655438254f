"""The work of tools/few_labels.py."""

import argparse
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, TaskID

from mmsemiloc.files import write_csv, write_whole
from mmsemiloc.study.few_labels.image_sets import SETS, Features, Source, load_features
from mmsemiloc.study.few_labels.run import plan, run_tasks
from mmsemiloc.study.few_labels.tables import (
    Comparison,
    difference_rows,
    difference_tables,
    differences,
    plot_lines,
    result_rows,
    value_table,
)
from mmsemiloc.study.tables import print_table, write_markdown
from mmsemiloc.visualization.plots import curve_plot


def read_features(source: Source, progress: Progress) -> Features:
    """The features, with a bar for each part of them that is computed."""
    bars: dict[str, TaskID] = {}

    def show(part: str, number: int, total: int) -> None:
        """Move the bar of a part."""
        if part not in bars:
            bars[part] = progress.add_task(part, total=total)
        progress.advance(bars[part], number)

    return load_features(source, show)


def write_results(comparison: Comparison, folder: Path, console: Console) -> None:
    """Print the tables; write them, their rows and the plot."""
    found = differences(comparison)
    tables = [value_table(comparison), *difference_tables(found)]
    for table in tables:
        print_table(table, console)

    write_csv(folder / 'results.csv', result_rows(comparison))
    write_csv(folder / 'differences.csv', difference_rows(found))
    write_markdown(tables, folder / 'tables.md')
    plot = curve_plot(plot_lines(comparison), label='labels per class', ticks=comparison.numbers())
    write_whole(folder / 'accuracy.png', plot)
    console.print(f'The rows are in {folder}', highlight=False, soft_wrap=True)


def run(args: argparse.Namespace) -> int:
    """Compute features, run the draws that are missing, and write tables; the exit code."""
    chosen, console = SETS[args.images], Console()
    folder = args.work_dir or Path('work_dirs/few_labels') / args.images
    source = Source(args.images, args.data_root, args.cache)
    tasks = plan(source, args.labels or chosen.per_class, args.draws, folder)

    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        features = read_features(source, progress)
        bar = progress.add_task('draws', total=len(tasks))
        run_tasks(tasks, args.jobs, lambda task: progress.advance(bar))

    outcomes = [task.file.outcomes() for task in tasks]
    comparison = Comparison(tasks, outcomes, features.test_labels, chosen.metric)
    write_results(comparison, folder, console)
    return 0
