"""A csv file that says which image has which label."""

import csv
import io
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from posixpath import normpath
from typing import NamedTuple

from mmsemiloc.datasets.listing.class_names import alike_name, listed, same_name
from mmsemiloc.datasets.listing.endings import EXTENSIONS, is_image
from mmsemiloc.datasets.listing.foreign import foreign_part
from mmsemiloc.datasets.listing.list_files import SEPARATORS, read_text

COLUMNS = ('file', 'label')
HEADER = ','.join(COLUMNS)


class Row(NamedTuple):
    """A row of the csv file."""

    line: int
    file: str
    label: str  # '' if there is none


def read_rows(file: Path) -> list[Row]:
    """Rows of a csv file with the columns ``file`` and ``label``; further ones are not read.

    Blank rows, blanks around values and a byte order mark are fine.

    Raises:
        ValueError: With the line, if it is not such a file.
    """
    cells = read_cells(file)
    line, header = next(cells, (1, []))
    places = find_columns(header, f'{file}, line {line}')

    rows = []
    for line, values in cells:
        where = f'{file}, line {line}'
        if len(values) != len(header):
            number = '1 value' if len(values) == 1 else f'{len(values)} values'
            raise ValueError(
                f'{where}: {number} for {len(header)} columns ({listed(values)}): write a value '
                'with commas in quotes, and a comma before an empty label'
            )
        path, label = (values[place] for place in places)
        if not path:
            raise ValueError(
                f'{where}: the label {label!r} has no file: write it, or delete the row'
            )
        rows.append(Row(line, path, label))
    return rows


def read_cells(file: Path) -> Iterator[tuple[int, list[str]]]:
    """First line and values of each row that is not blank."""
    text = io.StringIO(read_text(file), newline='')
    reader = csv.reader(text, strict=True, skipinitialspace=True)
    line, columns = 1, 0
    try:
        for row in reader:
            # Spreadsheets write commas for columns that are empty from top to bottom.
            values = [value.strip() for value in row]
            while len(values) > columns and not values[-1]:
                values.pop()

            if any(values):
                columns = columns or len(values)
                yield line, values
            line = reader.line_num + 1
    except csv.Error as error:
        raise ValueError(
            f'{file}, line {line}: not csv ({error}): a value that begins with a quote has to end '
            'with one'
        ) from error


def find_columns(header: Sequence[str], where: str) -> tuple[int, int]:
    """Places of the columns ``file`` and ``label``.

    Raises:
        ValueError: If one is missing or there twice.
    """
    names = [name.casefold() for name in header]
    if all(names.count(column) == 1 for column in COLUMNS):
        return names.index('file'), names.index('label')

    # What is there instead tells what to do.
    expected = f'the first line has to be {HEADER!r}'
    if not header:
        raise ValueError(f'{where}: the file is empty: {expected}')
    separator = next((sign for sign in ';\t|' if any(sign in name for name in names)), None)
    if len(header) == 1 and separator:
        raise ValueError(
            f'{where}: {header[0]!r} is separated by {SEPARATORS[separator]}: save the file with '
            'commas between its values'
        )
    if any(is_image(name) for name in names):
        raise ValueError(f'{where}: an image ({listed(header)}), but no header: {expected}')
    twice = next((column for column in COLUMNS if names.count(column) > 1), None)
    if twice:
        raise ValueError(f'{where}: {names.count(twice)} columns {twice!r}: leave only one')
    missing = next(column for column in COLUMNS if column not in names)
    raise ValueError(
        f'{where}: no column {missing!r}; the columns are {listed(header)}: rename them, '
        f'{expected} (further columns are fine)'
    )


def match_rows(
    rows: Sequence[Row], known: Sequence[str], photos: Path, file: Path
) -> dict[str, Row]:
    """The row of each image that the csv file names.

    Args:
        rows: Of the csv file.
        known: Paths of the images below ``photos``, relative to it.
        photos: The folder that the rows' files are relative to.
        file: The csv file, for messages.

    Raises:
        ValueError: With the line, if there is no such image, or it has two rows.
    """
    # A name on a disk and in a csv file may store the same accents differently.
    by_name = {same_name(path): path for path in known} | {path: path for path in known}

    found: dict[str, Row] = {}
    unknown: list[Row] = []
    for row in rows:
        name = normpath(row.file)
        path = by_name.get(name) or by_name.get(same_name(name))
        if path is None:
            unknown.append(row)
        elif path in found:
            first = found[path]
            but = f' with another label ({first.label!r})' if first.label != row.label else ''
            raise ValueError(
                f'{file}, line {row.line}: {row.file!r} with the label {row.label!r} stands in '
                f'line {first.line} already{but}: delete one of the two'
            )
        else:
            found[path] = row

    if unknown:
        first, others = unknown[0], len(unknown) - 1
        fault = fault_of_file(first.file, known, photos)
        more = f' ({others} more of the {len(rows)} rows have no image)' if others else ''
        raise ValueError(f'{file}, line {first.line}: {first.file!r} {fault}{more}')
    return found


def fault_of_file(name: str, known: Sequence[str], photos: Path) -> str:
    """Why a file of a row is none of the images, and the remedy."""
    if PurePosixPath(name).is_absolute() or PureWindowsPath(name).is_absolute():
        return f'is an absolute path: write it relative to {photos}{suggestion(name, known)}'
    if f'{normpath(name)}/'.startswith('../'):
        return f'leaves {photos}: write the path relative to that folder{suggestion(name, known)}'

    # A file that is there, but is left out of the images.
    path = os.path.join(photos, name)
    foreign = foreign_part(name)
    if os.path.isdir(path):
        return 'is a folder: name an image in it, or delete the row'
    if foreign is not None and os.path.exists(path):
        return f'is hidden or foreign (by {foreign!r}): rename it, or delete the row'
    if os.path.exists(path) and not is_image(name):
        return f'is not an image by its ending ({", ".join(EXTENSIONS[:5])}, ...): delete the row'
    if os.path.exists(path):
        return 'is in the folder of the results: move it to another folder, or delete the row'
    hint = suggestion(name, known)
    return f'is not a file in {photos}{hint or ": correct the name, or delete the row"}'


def suggestion(name: str, known: Sequence[str]) -> str:
    """The image that a wrong path means, as the end of a message; '' if none or several could be.

    It differs only in case, ending or back slashes; else in folders before it; else in any folders.
    """
    wanted = reduced(name.replace('\\', '/'))
    keys = [reduced(path) for path in known]
    tail = wanted.rpartition('/')[2]

    for close in (
        [path for path, key in zip(known, keys, strict=True) if key == wanted],
        [path for path, key in zip(known, keys, strict=True) if wanted.endswith(f'/{key}')],
        [path for path, key in zip(known, keys, strict=True) if key.rpartition('/')[2] == tail],
    ):
        if close:
            return f'; did you mean {close[0]!r}?' if len(close) == 1 else ''
    return ''


def reduced(path: str) -> str:
    """A path without what a person overlooks: case and ending."""
    return alike_name(os.path.splitext(path)[0] if is_image(path) else path)


def first_lines(rows: Sequence[Row]) -> Mapping[str, int]:
    """The first line of each label."""
    return {row.label: row.line for row in reversed(rows) if row.label}
