"""Features on disk: rows of numbers by the content that they were computed from."""

import fcntl
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from mmsemiloc.files import write_whole

DIGEST = 32  # bytes of a SHA-256


class FeatureStore:
    """Rows of equal shape by the SHA-256 of what they were computed from, appended to two files.

    ``keys.bin`` has one digest per row of ``rows.bin``. Rows are written and synced before their
    keys, so a store whose writer was killed has whole rows only, and goes on from there. Rows are
    memory-mapped when they are read.

    Args:
        folder: Where the two files lie; it is made.
        shape: Shape of a row.
        dtype: Type of its numbers.

    Raises:
        ValueError: If the folder has rows of another size.
    """

    def __init__(self, folder: Path, shape: Sequence[int], dtype: str = 'float32') -> None:
        self.shape, self.dtype = tuple(shape), np.dtype(dtype)
        self.row_bytes = int(np.prod(self.shape)) * self.dtype.itemsize
        folder.mkdir(parents=True, exist_ok=True)
        self.keys_file, self.rows_file = folder / 'keys.bin', folder / 'rows.bin'

        layout, said = folder / 'layout.txt', f'{self.shape} {self.dtype}'
        if not layout.exists():
            write_whole(layout, said)
        if layout.read_text() != said:
            raise ValueError(
                f'{folder} has rows of {layout.read_text()}, not of {said}: delete the folder'
            )
        self.places: dict[bytes, int] = {}
        self.count = 0  # rows that have been taken in
        self.refresh()

    def __len__(self) -> int:
        return len(self.places)

    def __contains__(self, key: bytes) -> bool:
        return key in self.places

    def refresh(self) -> None:
        """Take in the rows that other processes have written."""
        count = self._whole_rows()
        keys = self.keys_file.read_bytes() if count else b''
        for place in range(self.count, count):
            self.places.setdefault(keys[place * DIGEST : (place + 1) * DIGEST], place)
        self.count = count

    def _whole_rows(self) -> int:
        """Rows that have all their bytes, and their key."""
        sizes = [
            file.stat().st_size // size if file.exists() else 0
            for file, size in ((self.keys_file, DIGEST), (self.rows_file, self.row_bytes))
        ]
        return min(sizes)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Keep other processes from writing at the same time."""
        with self.keys_file.open('ab') as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.flock(file, fcntl.LOCK_UN)

    def append(self, keys: Sequence[bytes], rows: np.ndarray) -> None:
        """Add rows; those whose key is there already are left out.

        Args:
            keys: A SHA-256 for each row.
            rows: Numbers (N, ...), all finite.

        Raises:
            ValueError: If the rows have another shape, or a number is not finite.
        """
        rows = np.ascontiguousarray(rows, self.dtype)
        if rows.shape != (len(keys), *self.shape):
            raise ValueError(f'rows must have shape {(len(keys), *self.shape)}, got {rows.shape}')
        bad = ~np.isfinite(rows.reshape(len(rows), -1)).all(1)
        if bad.any():
            raise ValueError(f'{int(bad.sum())} of {len(rows)} rows of features are not finite')

        with self.writing():
            self.refresh()
            first = {key: place for place, key in reversed(list(enumerate(keys)))}
            new = sorted(place for key, place in first.items() if key not in self.places)
            count = self._whole_rows()

            # What a killed writer left behind is cut off; rows go to the disk before their keys.
            append_at(self.rows_file, count * self.row_bytes, rows[new].tobytes())
            append_at(self.keys_file, count * DIGEST, b''.join(keys[place] for place in new))
            self.refresh()

    def read(self, keys: Iterable[bytes]) -> np.ndarray:
        """The rows (N, ...) of some keys, memory-mapped if they lie one after the other.

        Raises:
            KeyError: If a key has no row.
        """
        places = np.array([self.places[key] for key in keys], np.int64)
        if not len(places):
            return np.empty((0, *self.shape), self.dtype)
        rows = np.memmap(self.rows_file, self.dtype, 'r', shape=(self.count, *self.shape))
        start = int(places[0])
        if (places == np.arange(start, start + len(places))).all():
            return rows[start : start + len(places)]
        return rows[places]


def append_at(file: Path, size: int, content: bytes) -> None:
    """Cut a file to a size, write behind it, and wait until that is on the disk."""
    with file.open('r+b' if file.exists() else 'x+b') as stream:
        stream.truncate(size)
        stream.seek(size)
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
