"""Tables of results: means and sample standard deviations over seeds, and differences between configs by seed."""
import csv
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table as RichTable

from mmsemiloc.study.runs import Result, to_row

METRICS = {'accuracy': 'accuracy %', 'mean_recall': 'mean recall %', 'classes_used': 'classes used',
           'max_box_acc_v2': 'MaxBoxAccV2 %', 'cam_in_box': 'CAM in box %', 'cam_area': 'CAM area %'}


@dataclass(frozen=True)
class Table:
    """A title, column names and rows of text."""
    title: str
    columns: list[str]
    rows: list[list[str]]

    def to_rich(self) -> RichTable:
        """For the terminal; the first column is left-aligned, the others are numbers."""
        table = RichTable(title=self.title, title_justify='left', title_style='bold', box=SIMPLE_HEAD, pad_edge=False)
        for i, column in enumerate(self.columns):
            # Headers may take several lines on a narrow terminal, values never. Rich takes room from the columns that may
            # wrap without a look at their min_width, so a wide first column would push the last ones off the terminal.
            width = max(len(row[i]) for row in self.rows)
            table.add_column(column, justify='right' if i else 'left', min_width=width, no_wrap=i == 0, overflow='fold')
        for row in self.rows:
            table.add_row(*map(escape, row))
        return table

    def to_markdown(self) -> str:
        """A table of GitHub's Markdown, without the title."""
        lines = [self.columns, ['---'] + ['---:'] * (len(self.columns) - 1), *self.rows]
        return ''.join('| ' + ' | '.join(line) + ' |\n' for line in lines)


def mean_and_std(values: Sequence[float]) -> tuple[float, float]:
    """Mean and sample standard deviation (divided by n - 1); the latter is NaN for one value.

    Raises:
        ValueError: If there are no values.
    """
    if not values:
        raise ValueError('mean_and_std needs at least one value, got none')
    return statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else math.nan


def format_spread(values: Sequence[float | None], digits: int = 1, sign: bool = False) -> str:
    """'mean ± standard deviation', the mean alone for one value, a dash if a value is missing."""
    known = [value for value in values if value is not None]
    if not known or len(known) < len(values):
        return '–'
    mean, std = mean_and_std(known)
    text = f'{mean:{"+" if sign else ""}.{digits}f}'
    return text if math.isnan(std) else f'{text} ± {std:.{digits}f}'


def by_config(results: Sequence[Result]) -> dict[str, list[Result]]:
    """Results of each config, in order."""
    groups: dict[str, list[Result]] = {}
    for result in results:
        groups.setdefault(result.name, []).append(result)
    return groups


def shown_metrics(results: Sequence[Result]) -> list[str]:
    """The metrics to show: without the mean recall if it is the accuracy, as on images of which each class has as many."""
    same = all(math.isclose(result.mean_recall, result.accuracy) for result in results)
    return [metric for metric in METRICS if metric != 'mean_recall' or not same]


def values_of_seeds(results: Sequence[Result]) -> dict[str, dict[str, list[float]]]:
    """For each metric that all results have, by its title, the values of each config."""
    metrics = [name for name in shown_metrics(results) if all(getattr(result, name) is not None for result in results)]
    return {METRICS[name]: {config: [getattr(result, name) for result in group] for config, group in by_config(results).items()}
            for name in metrics if name != 'classes_used'}


def spread_table(results: Sequence[Result]) -> Table:
    """One row a config: mean and sample standard deviation over seeds."""
    rows = []
    shown = shown_metrics(results)
    for name, group in by_config(results).items():
        metrics = [format_spread([getattr(result, metric) for result in group]) for metric in shown]
        rows.append([name, *metrics, str(group[0].steps), str(group[0].images),
                     f'{statistics.fmean(result.seconds for result in group):.0f}', ' '.join(str(r.seed) for r in group)])
    columns = ['config', *(METRICS[metric] for metric in shown), 'steps', 'images', 'seconds', 'seeds']
    return Table(f'{results[0].split} split, mean ± standard deviation over seeds', columns, rows)


def paired_differences(first: Sequence[Result], other: Sequence[Result], metric: str) -> dict[int, float]:
    """``other`` less ``first`` for each seed that both have."""
    base = {result.seed: getattr(result, metric) for result in first}
    pairs = {result.seed: (getattr(result, metric), base.get(result.seed)) for result in other}
    return {seed: a - b for seed, (a, b) in pairs.items() if a is not None and b is not None}


def difference_table(results: Sequence[Result]) -> Table | None:
    """One row for each config but the first and each metric: difference to the first config by seed; None for one config."""
    groups = by_config(results)
    first, *others = groups.values()
    seeds = sorted({result.seed for result in results})
    shown = [metric for metric in shown_metrics(results) if metric != 'classes_used']
    rows = []
    for other in others:
        for metric in shown:
            by_seed = paired_differences(first, other, metric)
            if by_seed:
                rows.append([other[0].name, METRICS[metric], format_spread(list(by_seed.values()), sign=True, digits=2),
                             *(f'{by_seed[seed]:+.2f}' if seed in by_seed else '–' for seed in seeds)])
    columns = ['config', 'metric', 'mean ± std', *(f'seed {seed}' for seed in seeds)]
    return Table(f'difference to {first[0].name}, percentage points', columns, rows) if rows else None


def write_csv(results: Sequence[Result], path: Path, **extra: str) -> None:
    """Write one row a run; ``extra`` columns are the same in every row."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open('w', newline='') as file:
        rows = [{**to_row(result), **extra} for result in results]
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def write_markdown(tables: Sequence[Table], path: Path) -> None:
    """Write tables with their titles."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('\n'.join(f'{table.title}\n\n{table.to_markdown()}' for table in tables), encoding='utf-8')
