"""The work of tools/few_labels.py."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, TaskID

from mmsemiloc.files import write_csv, write_whole
from mmsemiloc.study.few_labels.draw import make_draw, project_maps
from mmsemiloc.study.few_labels.image_sets import (
    SETS,
    TEST,
    Features,
    Source,
    load_features,
    read_rows,
)
from mmsemiloc.study.few_labels.map_areas import map_picture, measure_maps
from mmsemiloc.study.few_labels.run import Task, check_draws, plan, run_tasks
from mmsemiloc.study.few_labels.tables import (
    Comparison,
    difference_rows,
    difference_tables,
    differences,
    map_table,
    plot_lines,
    result_rows,
    value_table,
)
from mmsemiloc.study.results import TITLES
from mmsemiloc.study.tables import print_table, write_markdown
from mmsemiloc.visualization.plots import number_plot


class Bars:
    """A bar for each part of the features."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.tasks: dict[str, TaskID] = {}

    def __call__(self, part: str, number: int, total: int) -> None:
        """Move the bar of a part by a number of images."""
        if part not in self.tasks:
            self.tasks[part] = self.progress.add_task(part, total=total)
        self.progress.advance(self.tasks[part], number)


def map_rows(
    tasks: Sequence[Task], features: Features, progress: Progress, folder: Path
) -> list[dict[str, float]]:
    """A row for each draw and weight of the locality penalty; a picture of the first draw."""
    source = tasks[0].source
    maps = read_rows(source, TEST, 0, Bars(progress), maps=True)[0]
    bar, rows = progress.add_task('draws', total=len(tasks)), []
    folder.mkdir(parents=True, exist_ok=True)
    for number, task in enumerate(tasks):
        draw = make_draw(features, source.images, task.per_class, task.seed)
        small = project_maps(maps, draw.projection)
        labels = features.test_labels
        results = measure_maps(draw, small, labels, source.images.metric, source.images.size)
        if number == 0:
            map_picture(source, small, labels, results, folder / 'maps.png')
        rows += [
            {
                'labels_per_class': task.per_class,
                'draw': task.seed,
                'gamma': each.gamma,
                'cam_area': round(each.area, 2),
                source.images.metric: round(each.value, 2),
            }
            for each in results
        ]
        progress.advance(bar)
    return rows


def write_maps(
    rows: Sequence[Mapping[str, float]], metric: str, folder: Path, console: Console
) -> None:
    """Print and write how concentrated the maps are."""
    table = map_table(rows, metric)
    print_table(table, console)
    write_csv(folder / 'maps.csv', rows)
    write_markdown([table], folder / 'maps.md')
    console.print(f'The rows and a picture are in {folder}', highlight=False, soft_wrap=True)


def write_results(comparison: Comparison, folder: Path, console: Console) -> None:
    """Print the tables; write them, their rows and the plot."""
    found = differences(comparison)
    tables = [value_table(comparison), *difference_tables(found)]
    for table in tables:
        print_table(table, console)

    write_csv(folder / 'results.csv', result_rows(comparison))
    write_csv(folder / 'differences.csv', difference_rows(found))
    write_markdown(tables, folder / 'tables.md')
    title = TITLES[comparison.metric]
    plot = number_plot(plot_lines(comparison), 'labels per class', title)
    write_whole(folder / 'accuracy.png', plot)
    console.print(f'The rows are in {folder}', highlight=False, soft_wrap=True)


def run(args: argparse.Namespace) -> int:
    """Compute features, run the draws that are missing, and write tables; the exit code."""
    chosen, console = SETS[args.images], Console()
    folder = args.work_dir or Path('work_dirs/few_labels') / args.images
    source = Source(args.images, args.data_root, args.cache)
    numbers = args.labels or chosen.per_class
    if args.maps and len(numbers) != 1:
        raise ValueError('--maps takes one number of labels per class: add --labels N')
    tasks = plan(source, numbers, args.draws, folder)
    check_draws(tasks)

    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        features = load_features(source, Bars(progress))
        if args.maps:
            rows = map_rows(tasks, features, progress, folder)
            write_maps(rows, chosen.metric, folder, console)
            return 0
        bar = progress.add_task('draws', total=len(tasks))
        run_tasks(tasks, args.jobs, lambda task: progress.advance(bar))

    outcomes = [task.file.outcomes() for task in tasks]
    comparison = Comparison(tasks, outcomes, features.test_labels, chosen.metric)
    write_results(comparison, folder, console)
    return 0
