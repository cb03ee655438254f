"""Files that are never half written, and the one way to write a table of rows."""

import csv
import io
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

PARTIAL = '.partial'  # ending of a file that is being written


def write_whole(path: Path, content: bytes | str, sync: bool = False) -> None:
    """Write a file that is never half written: readers see the old content or the new one.

    Args:
        path: The file; its folder exists.
        content: Text is written as UTF-8.
        sync: Whether it is on the disk at the end, so that a machine that stops cannot lose it.

    Raises:
        OSError: If it cannot be written, on a full disk for example. The old file is as it was, and
            nothing is left of the new one.
    """
    partial = path.with_name(f'{path.name}{PARTIAL}')
    try:
        with partial.open('wb') as file:
            file.write(content if isinstance(content, bytes) else content.encode())
            if sync:
                file.flush()
                os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise OSError(
            error.errno, f'cannot write it, {error.strerror or error}', str(path)
        ) from error

    # A new name is on the disk only when its folder is.
    if sync:
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


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
