"""Tables of results: means and sample standard deviations over seeds, and differences between
configs by seed.
"""

import csv
import math
import statistics
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable
from scipy.special import stdtrit

from mmsemiloc.study.runs import Result, to_row

METRICS = {
    'accuracy': 'accuracy %',
    'mean_recall': 'mean recall %',
    'classes_used': 'classes used',
    'max_box_acc_v2': 'MaxBoxAccV2 %',
    'cam_in_box': 'CAM in box %',
    'cam_area': 'CAM area %',
}

NARROW = 28  # characters of a name on a terminal that is too narrow for a table


@dataclass(frozen=True)
class Table:
    """A title, column names and rows of text.

    Attributes:
        keys: How many columns, from the first, name a row.
    """

    title: str
    columns: list[str]
    rows: list[list[str]]
    keys: int = 1

    def to_rich(self) -> RichTable:
        """For the terminal; the first column is left-aligned, the others are numbers."""
        table = self._empty_rich()
        for i, column in enumerate(self.columns):
            # Headers may take several lines on a narrow terminal, values never. Rich takes room
            # from the columns that may wrap without a look at their min_width, so a wide first
            # column would push the last ones off the terminal.
            width = max(len(row[i]) for row in self.rows)
            table.add_column(
                column,
                justify='right' if i else 'left',
                min_width=width,
                no_wrap=i == 0,
                overflow='fold',
            )
        for row in self.rows:
            table.add_row(*map(escape, row))
        return table

    def to_narrow(self) -> tuple[RichTable, int]:
        """For a terminal that is too narrow: headers and long names take several lines; its width."""
        table, total = self._empty_rich(), 2
        names = ['\n'.join(textwrap.wrap(row[0], NARROW)) for row in self.rows]
        rows = [[name, *row[1:]] for name, row in zip(names, self.rows, strict=True)]
        for i, column in enumerate(self.columns):
            lines = [*column.split(), *(line for row in rows for line in row[i].splitlines())]
            width = max(map(len, lines))
            header = '\n'.join(textwrap.wrap(column, width))
            table.add_column(header, justify='right' if i else 'left', no_wrap=True)
            total += width + (3 if i else 0)
        for row in rows:
            table.add_row(*map(escape, row))
        return table, total

    def _empty_rich(self) -> RichTable:
        """The title."""
        return RichTable(
            title=self.title,
            title_justify='left',
            title_style='bold',
            box=SIMPLE_HEAD,
            pad_edge=False,
        )

    def parts(self, fits: Callable[['Table'], bool]) -> list['Table']:
        """Tables of as many columns as fit each, all with the columns that name a row.

        Args:
            fits: Whether a table fits. Tables of one column each are given where nothing does.
        """
        parts: list[Table] = []
        shown: list[int] = []
        for column in range(self.keys, len(self.columns)):
            if shown and not fits(self._select([*shown, column])):
                parts.append(self._select(shown))
                shown = []
            shown.append(column)
        parts.append(self._select(shown))
        return [parts[0], *(replace(part, title=f'{self.title} (continued)') for part in parts[1:])]

    def _select(self, columns: Sequence[int]) -> 'Table':
        """The table with the columns that name a row, and the given ones."""
        places = [*range(self.keys), *columns]
        rows = [[row[i] for i in places] for row in self.rows]
        return replace(self, columns=[self.columns[i] for i in places], rows=rows)

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


def confidence_interval(values: Sequence[float]) -> tuple[float, float]:
    """95 % confidence interval of the mean of independent, normally distributed values; NaN for one
    value.

    ``mean ± t s / sqrt(n)`` with the sample standard deviation s and the 0.975 quantile t of
    Student's distribution with n - 1 degrees of freedom: 4.3 for 3 values, 2.8 for 5, 2.3 for 10.

    Args:
        values: n values in any unit, for example the differences of two configs for each seed.

    Returns:
        Lower and upper end, in the unit of the values.

    Raises:
        ValueError: If there are no values.

    Example:
        >>> confidence_interval([1.0, 2.0, 3.0])  # 2 ± 4.303 / sqrt(3)
        (-0.484..., 4.484...)
    """
    mean, std = mean_and_std(values)
    half = float(stdtrit(len(values) - 1, 0.975)) * std / math.sqrt(len(values))
    return mean - half, mean + half


def format_interval(values: Sequence[float], digits: int = 1) -> str:
    """:func:`confidence_interval` with signs, such as '[+0.4, +2.3]'; a dash for one value."""
    low, high = confidence_interval(values)
    return '–' if math.isnan(low) else f'[{low:+.{digits}f}, {high:+.{digits}f}]'


def gap_closed(value: float, floor: float, ceiling: float) -> float | None:
    """How much of the way from ``floor`` to ``ceiling`` a value is, in %.

    None if the ceiling is not above the floor.

    ``100 (value - floor) / (ceiling - floor)``: below 0 for a value below the floor, above 100 for
    one above the ceiling.

    Example:
        >>> gap_closed(85, floor=80, ceiling=100)
        25.0
    """
    return 100 * (value - floor) / (ceiling - floor) if ceiling > floor else None


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
    """The metrics to show: without the mean recall if it is the accuracy, as on images of which
    each class has as many.
    """
    same = all(math.isclose(result.mean_recall, result.accuracy) for result in results)
    return [metric for metric in METRICS if metric != 'mean_recall' or not same]


def values_of_seeds(results: Sequence[Result]) -> dict[str, dict[str, list[float]]]:
    """For each metric that all results have, by its title, the values of each config."""
    metrics = [
        name
        for name in shown_metrics(results)
        if all(getattr(result, name) is not None for result in results)
    ]
    return {
        METRICS[name]: {
            config: [getattr(result, name) for result in group]
            for config, group in by_config(results).items()
        }
        for name in metrics
        if name != 'classes_used'
    }


def spread_table(results: Sequence[Result], gap: tuple[str, str] | None = None) -> Table:
    """One row a config: mean and sample standard deviation over seeds.

    Args:
        results: Of all configs and seeds.
        gap: Names of two configs, to show :func:`gap_closed` from the mean accuracy of the first to
            that of the second.
    """
    rows = []
    shown = shown_metrics(results)
    # Of means, not a mean over seeds: one seed's floor and ceiling can be close to each other.
    closed = {} if gap is None else {'gap closed %': gaps_closed(results, *gap)}
    for name, group in by_config(results).items():
        metrics = [format_spread([getattr(result, metric) for result in group]) for metric in shown]
        rows.append(
            [
                name,
                *metrics,
                *(format_spread([share[name]]) for share in closed.values()),
                str(group[0].steps),
                str(group[0].images),
                f'{statistics.fmean(result.seconds for result in group):.0f}',
                ' '.join(str(r.seed) for r in group),
            ]
        )
    columns = [
        'config',
        *(METRICS[metric] for metric in shown),
        *closed,
        'steps',
        'images',
        'seconds',
        'seeds',
    ]
    title = f'{results[0].split} split, mean ± standard deviation over seeds'
    return Table(
        title if gap is None else f'{title}; accuracy gap from {gap[0]} to {gap[1]}', columns, rows
    )


def gaps_closed(results: Sequence[Result], floor: str, ceiling: str) -> dict[str, float | None]:
    """:func:`gap_closed` by the mean accuracy of each config.

    None if the floor or the ceiling has no result.
    """
    means = {
        name: statistics.fmean(result.accuracy for result in group)
        for name, group in by_config(results).items()
    }
    if not {floor, ceiling} <= means.keys():
        return dict.fromkeys(means)
    return {name: gap_closed(mean, means[floor], means[ceiling]) for name, mean in means.items()}


def paired_differences(
    first: Sequence[Result], other: Sequence[Result], metric: str
) -> dict[int, float]:
    """``other`` less ``first`` for each seed that both have."""
    base = {result.seed: getattr(result, metric) for result in first}
    pairs = {result.seed: (getattr(result, metric), base.get(result.seed)) for result in other}
    return {seed: a - b for seed, (a, b) in pairs.items() if a is not None and b is not None}


def difference_table(results: Sequence[Result]) -> Table | None:
    """One row for each config but the first and each metric: difference to the first config by
    seed; None for one config.
    """
    first, *others = by_config(results)
    rows = [[other, *row] for other in others for row in difference_rows(results, other, first)]
    title = f'difference to {first}, percentage points'
    return Table(title, difference_columns(results), rows, keys=2) if rows else None


def pair_table(results: Sequence[Result], pairs: Sequence[tuple[str, str]]) -> Table | None:
    """One row for each pair of names and each metric: the first config less the second by seed.

    None without any result.
    """
    rows = [
        [f'{name} − {baseline}', *row]
        for name, baseline in pairs
        for row in difference_rows(results, name, baseline)
    ]
    title = 'differences of pairs, percentage points'
    return Table(title, difference_columns(results), rows, keys=2) if rows else None


def difference_columns(results: Sequence[Result]) -> list[str]:
    """Columns of a table of differences."""
    return [
        'config',
        'metric',
        'mean ± std',
        '95 % interval',
        *(f'seed {seed}' for seed in all_seeds(results)),
    ]


def difference_rows(results: Sequence[Result], name: str, baseline: str) -> list[list[str]]:
    """For each metric that both configs have: its title, mean and interval of the differences, and
    that of each seed.
    """
    groups = by_config(results)
    rows = []
    for metric in shown_metrics(results):
        by_seed = paired_differences(groups.get(baseline, []), groups.get(name, []), metric)
        if by_seed and metric != 'classes_used':
            values = list(by_seed.values())
            rows.append(
                [
                    METRICS[metric],
                    format_spread(values, sign=True, digits=2),
                    format_interval(values, digits=2),
                    *(
                        f'{by_seed[seed]:+.2f}' if seed in by_seed else '–'
                        for seed in all_seeds(results)
                    ),
                ]
            )
    return rows


def all_seeds(results: Sequence[Result]) -> list[int]:
    """The seeds of all configs, in order."""
    return sorted({result.seed for result in results})


def print_table(table: Table, console: Console) -> None:
    """Print a table; one that is too wide for the terminal in parts.

    Long names take several lines then. Where a part of one column is too wide, the terminal wraps
    the lines; Rich would cut off columns.
    """
    width = console.width
    unlimited = console.options.update(max_width=10_000)
    if console.measure(table.to_rich(), options=unlimited).maximum <= width:
        console.print(table.to_rich())
        return
    for part in table.parts(lambda part: part.to_narrow()[1] <= width):
        rich, needed = part.to_narrow()
        console.width = max(width, needed)
        console.print(rich)
    console.width = width


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
    path.write_text(
        '\n'.join(f'{table.title}\n\n{table.to_markdown()}' for table in tables), encoding='utf-8'
    )
