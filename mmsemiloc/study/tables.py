"""Tables: a title, columns and rows, on the terminal and in Markdown."""

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable

from mmsemiloc.files import write_whole

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
            # Headers may take several lines on a narrow terminal, values never. The first column
            # must not wrap: Rich ignores min_width where it takes room, and would push the last
            # columns off the terminal.
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
        """For a narrow terminal: headers and long names take several lines.

        Returns:
            The table and its width in characters.
        """
        table, total = self._empty_rich(), 2
        names = ['\n'.join(textwrap.wrap(row[0], NARROW)) for row in self.rows]
        rows = [[name, *row[1:]] for name, row in zip(names, self.rows, strict=True)]

        for i, column in enumerate(self.columns):
            # The longest word of the header or the longest value says how wide it is.
            lines = [*column.split(), *(line for row in rows for line in row[i].splitlines())]
            width = max(map(len, lines))
            header = '\n'.join(textwrap.wrap(column, width))
            table.add_column(header, justify='right' if i else 'left', no_wrap=True)
            total += width + (3 if i else 0)

        for row in rows:
            table.add_row(*map(escape, row))
        return table, total

    def _empty_rich(self) -> RichTable:
        """A table of Rich with the title alone."""
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

        # Each part takes columns until the next one would not fit.
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


def write_markdown(tables: Sequence[Table], path: Path) -> None:
    """Write tables with their titles."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, '\n'.join(f'{each.title}\n\n{each.to_markdown()}' for each in tables))
