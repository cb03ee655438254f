"""Rows, tables and plot of a comparison."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mmsemiloc.study.few_labels.draw import Outcome
from mmsemiloc.study.few_labels.intervals import Bootstrap, Difference, value_of
from mmsemiloc.study.few_labels.run import Task
from mmsemiloc.study.results import TITLES
from mmsemiloc.study.spreads import format_interval, format_number
from mmsemiloc.study.tables import Table

# Methods that the others are compared with.
REFERENCES = ('CE', 'CE + MEL + NBEL', 'FixMatch + MEL + NBEL')
# Lines of the plot.
SHOWN = (
    'CE', 'CE + MEL + NBEL', 'FixMatch', 'FixMatch + MEL + NBEL', 'mean teacher', 'label spreading',
    'linear SVM',
)  # fmt: skip


@dataclass(frozen=True)
class Comparison:
    """The outcomes of all draws.

    Attributes:
        tasks: The draws.
        outcomes: For each draw, the outcome of each method.
        labels: Classes of the test images (T,).
        metric: 'accuracy' or 'mean_recall'.
    """

    tasks: Sequence[Task]
    outcomes: Sequence[Mapping[str, Outcome]]
    labels: np.ndarray
    metric: str

    def numbers(self) -> list[int]:
        """Numbers of labels per class."""
        return sorted({task.per_class for task in self.tasks})

    def methods(self, number: int) -> list[str]:
        """Methods that all draws of a number of labels have."""
        mine = self._of(number)
        return [name for name in mine[0] if all(name in outcome for outcome in mine)]

    def _of(self, number: int) -> list[Mapping[str, Outcome]]:
        """The outcomes of a number of labels."""
        pairs = zip(self.tasks, self.outcomes, strict=True)
        return [outcome for task, outcome in pairs if task.per_class == number]

    def predictions(self, number: int, method: str) -> np.ndarray:
        """Predictions (D, T) of a method."""
        return np.stack([outcome[method].predictions for outcome in self._of(number)])

    def values(self, number: int, method: str) -> list[float]:
        """Its metric (%) on each draw."""
        return [value_of(row, self.labels, self.metric) for row in self.predictions(number, method)]


def result_rows(comparison: Comparison) -> list[dict[str, object]]:
    """A row for each draw and method, as the csv file has them."""
    return [
        {
            'labels_per_class': task.per_class,
            'draw': task.seed,
            'method': name,
            'setting': outcome.setting,
            'held_out': '' if np.isnan(outcome.held_out) else round(outcome.held_out, 2),
            comparison.metric: round(
                value_of(outcome.predictions, comparison.labels, comparison.metric), 2
            ),
        }
        for task, outcomes in zip(comparison.tasks, comparison.outcomes, strict=True)
        for name, outcome in outcomes.items()
    ]


def differences(comparison: Comparison) -> dict[tuple[int, str, str], Difference]:
    """Differences of each reference from every method, by number of labels, first and second."""
    found = {}
    for number in comparison.numbers():
        methods = comparison.methods(number)
        draws = len(comparison.predictions(number, methods[0]))
        bootstrap = Bootstrap(comparison.labels, draws, comparison.metric)
        for first in REFERENCES:
            for second in methods:
                if first in methods and first != second:
                    pair = (comparison.predictions(number, name) for name in (first, second))
                    found[number, first, second] = bootstrap.difference(*pair)
    return found


def difference_rows(found: Mapping[tuple[int, str, str], Difference]) -> list[dict[str, object]]:
    """A row for each difference, as the csv file has them."""
    return [
        {
            'labels_per_class': number,
            'first': first,
            'second': second,
            'difference': round(each.value, 2),
            'low': round(each.low, 2),
            'high': round(each.high, 2),
        }
        for (number, first, second), each in found.items()
    ]


def value_table(comparison: Comparison) -> Table:
    """Means over the draws of each method by number of labels."""
    numbers = comparison.numbers()
    names = list(dict.fromkeys(name for each in numbers for name in comparison.methods(each)))
    rows = [
        [
            name,
            *(
                format_number(float(np.mean(comparison.values(number, name))))
                if name in comparison.methods(number)
                else '–'
                for number in numbers
            ),
        ]
        for name in names
    ]
    return Table(TITLES[comparison.metric], ['labels per class', *map(str, numbers)], rows)


def difference_tables(found: Mapping[tuple[int, str, str], Difference]) -> list[Table]:
    """For each reference, how far it is ahead of every method."""
    numbers = sorted({number for number, _, _ in found})
    tables = []
    for first in dict.fromkeys(first for _, first, _ in found):
        others = dict.fromkeys(second for _, name, second in found if name == first)
        rows = [
            [
                second,
                *(
                    found[number, first, second].text() if (number, first, second) in found else '–'
                    for number in numbers
                ),
            ]
            for second in others
        ]
        tables.append(Table(f'{first} minus', ['labels per class', *map(str, numbers)], rows))
    return tables


def map_table(rows: Sequence[Mapping[str, float]], metric: str) -> Table:
    """Means over the draws by the weight of the penalty, and differences from the weight 0."""
    gammas = list(dict.fromkeys(row['gamma'] for row in rows))

    def values(gamma: float, name: str) -> list[float]:
        """A column of the rows of a weight."""
        return [row[name] for row in rows if row['gamma'] == gamma]

    lines = []
    for gamma in gammas:
        line = [f'{gamma:g}']
        for name in ('cam_area', metric):
            mine = values(gamma, name)
            change = np.subtract(mine, values(gammas[0], name)).tolist()
            difference = f'{np.mean(change):+.1f} {format_interval(change)}'
            line += [format_number(float(np.mean(mine))), '–' if gamma == gammas[0] else difference]
        lines.append(line)
    title = TITLES[metric]
    columns = ['gamma', 'CAM area %', 'minus gamma 0', title, 'minus gamma 0']
    return Table('Maps by the weight of the locality penalty', columns, lines)


def plot_lines(comparison: Comparison) -> dict[str, list[tuple[float, float]]]:
    """Points (labels per class, mean) of the methods that the plot shows."""
    return {
        name: [
            (number, float(np.mean(comparison.values(number, name))))
            for number in comparison.numbers()
            if name in comparison.methods(number)
        ]
        for name in SHOWN
    }
