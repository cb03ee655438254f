"""Files that are never half written, and the one way to write a table of rows."""

import csv
import io
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path


def write_whole(path: Path, content: bytes | str) -> None:
    """Write a file that is never half written: readers see the old content or the new one.

    Args:
        path: The file; its folder exists.
        content: Text is written as UTF-8.
    """
    partial = path.with_name(f'{path.name}.partial')
    partial.write_bytes(content if isinstance(content, bytes) else content.encode())
    os.replace(partial, path)


def write_json(path: Path, content: object) -> None:
    """Write a JSON file that is never half written."""
    write_whole(path, json.dumps(content, indent=1))


def write_csv(
    path: Path, rows: Sequence[Mapping[str, object]], columns: Sequence[str] | None = None
) -> None:
    """Write rows below a line with the names of the columns; the file is never half written.

    Args:
        path: The csv file.
        rows: A value for each column; what is missing or None is left empty.
        columns: Names in order; by default those of all rows, in the order of their first use.
    """
    names = list(columns or dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator='\n')
    writer.writeheader()
    writer.writerows(rows)
    write_whole(path, text.getvalue())
