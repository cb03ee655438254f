"""Tables that compare results: spreads over seeds, differences by seed, and costs."""

import math
import statistics
from collections.abc import Iterable, Sequence

from mmsemiloc.study.results import TITLES, Result
from mmsemiloc.study.spreads import format_interval, format_number, format_spread, gap_closed
from mmsemiloc.study.tables import Table

Column = tuple[str, str]  # name of a task, '' for classifiers, and of one of its metrics
Pair = tuple[str, str]  # a name and that of its baseline
COUNTS = ('classes_used',)  # are not in %, so their differences are not shown


def names_of(results: Iterable[Result]) -> list[str]:
    """The names of the configs or initialisations, in order."""
    return list(dict.fromkeys(result.name for result in results))


def seeds_of(results: Iterable[Result]) -> list[int]:
    """The seeds of all results, in order."""
    return sorted({result.seed for result in results})


def columns_of(results: Sequence[Result]) -> list[Column]:
    """The metrics to show.

    The mean recall is left out if it is the accuracy, as where all classes have as many images.
    """
    columns = dict.fromkeys(
        (result.task, metric) for result in results for metric in result.metrics
    )

    same = all(
        math.isclose(result.metrics['mean_recall'] or 0, result.metrics['accuracy'] or 0)
        for result in results
        if 'mean_recall' in result.metrics
    )

    return [
        column
        for column in columns
        if column[1] in TITLES and not (same and column[1] == 'mean_recall')
    ]


def title_of(column: Column) -> str:
    """The title of a metric, with its task if there is one."""
    task, metric = column
    return TITLES[metric] + (f' ({task})' if task else '')


def values_of(results: Iterable[Result], name: str, column: Column) -> dict[int, float | None]:
    """The values of a metric by seed."""
    task, metric = column
    return {
        result.seed: result.metrics.get(metric)
        for result in results
        if (result.name, result.task) == (name, task)
    }


def values_of_seeds(results: Sequence[Result]) -> dict[str, dict[str, list[float]]]:
    """For each metric in % that all results have, by its title, the values of each config."""
    values: dict[str, dict[str, list[float]]] = {}
    for column in columns_of(results):
        groups = {
            name: list(values_of(results, name, column).values()) for name in names_of(results)
        }
        known = {
            name: [value for value in group if value is not None] for name, group in groups.items()
        }
        if column[1] not in COUNTS and known == groups:
            values[title_of(column)] = known
    return values


def gaps_closed(results: Sequence[Result], floor: str, ceiling: str) -> dict[str, float | None]:
    """:func:`gap_closed` by the mean accuracy of each config.

    Of means, not a mean over seeds: the floor and ceiling of one seed can be close to each other.
    None if the floor or the ceiling has no result.
    """
    means = {
        name: statistics.fmean(
            value
            for value in values_of(results, name, ('', 'accuracy')).values()
            if value is not None
        )
        for name in names_of(results)
    }
    if not {floor, ceiling} <= means.keys():
        return dict.fromkeys(means)
    return {name: gap_closed(mean, means[floor], means[ceiling]) for name, mean in means.items()}


def spread_table(results: Sequence[Result], gap: Pair | None = None) -> Table:
    """One row per config or initialisation: mean and standard deviation over seeds.

    Args:
        results: Of all names, tasks and seeds.
        gap: Names of two configs, to show :func:`gap_closed` from the mean accuracy of the first to
            that of the second.
    """
    shown = columns_of(results)
    closed = {} if gap is None else {'gap closed %': gaps_closed(results, *gap)}

    rows = []
    for name in names_of(results):
        spreads = [format_spread(list(values_of(results, name, each).values())) for each in shown]
        gaps = [format_spread([share[name]]) for share in closed.values()]
        seeds = seeds_of(result for result in results if result.name == name)
        rows.append([name, *spreads, *gaps, ' '.join(map(str, seeds))])

    what = 'initialisation' if any(result.task for result in results) else 'config'
    title = f'{results[0].split} split, mean ± standard deviation over seeds'
    if gap is not None:
        title += f'; accuracy gap from {gap[0]} to {gap[1]}'
    return Table(title, [what, *map(title_of, shown), *closed, 'seeds'], rows)


def cost_table(results: Sequence[Result]) -> Table:
    """One row per config, or initialisation and task: steps, images and mean seconds of a run."""
    rows = []
    for name, task in dict.fromkeys((result.name, result.task) for result in results):
        costs = [result.cost for result in results if (result.name, result.task) == (name, task)]
        label = f'{name}, {task}' if task else name
        seconds = format_number(statistics.fmean(cost.seconds for cost in costs), digits=0)
        rows.append([label, str(costs[0].steps), str(costs[0].images), seconds])

    return Table('cost of a run', ['run', 'steps', 'images', 'seconds'], rows)


def paired_differences(
    results: Sequence[Result], name: str, baseline: str, column: Column
) -> dict[int, float]:
    """``name`` minus ``baseline`` for each seed that both have."""
    base = values_of(results, baseline, column)
    pairs = {
        seed: (value, base.get(seed)) for seed, value in values_of(results, name, column).items()
    }
    return {seed: a - b for seed, (a, b) in pairs.items() if a is not None and b is not None}


def pairs_with(results: Sequence[Result], baseline: str) -> list[Pair]:
    """Each name but the baseline's, with the baseline."""
    return [(name, baseline) for name in names_of(results) if name != baseline]


def difference_table(
    results: Sequence[Result], pairs: Iterable[Pair], digits: int = 2
) -> Table | None:
    """One row for each pair of names and each metric in %: the differences by seed.

    Args:
        results: Of all names, tasks and seeds.
        pairs: Names, of which the first minus the second is shown; a pair counts once.
        digits: Decimals.

    Returns:
        The table, with the mean, its 95 % interval and each seed; None without any difference.
    """
    seeds = seeds_of(results)
    columns = [column for column in columns_of(results) if column[1] not in COUNTS]

    rows = []
    for name, baseline in dict.fromkeys(pairs):
        for column in columns:
            by_seed = paired_differences(results, name, baseline, column)
            # No seed has both, so there is nothing to compare.
            if not by_seed:
                continue

            values = list(by_seed.values())
            spread = format_spread(values, digits, sign=True)
            cells = [
                format_number(by_seed[seed], digits, sign=True) if seed in by_seed else '–'
                for seed in seeds
            ]
            label = f'{name} − {baseline}'
            rows.append([label, title_of(column), spread, format_interval(values, digits), *cells])

    head = ['pair', 'metric', 'mean ± std', '95 % interval', *(f'seed {seed}' for seed in seeds)]
    return Table('differences by seed, percentage points', head, rows, keys=2) if rows else None
