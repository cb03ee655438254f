"""List files: one path per line, with or without a label."""

import posixpath
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

from mmengine import fileio

from mmsemiloc.datasets.listing.endings import EXTENSIONS
from mmsemiloc.datasets.listing.foreign import foreign_part, is_foreign

BLANKS = ' \t\ufeff'  # a byte order mark is where two files were joined, too
SEPARATORS = {',': 'a comma', ';': 'a semicolon', '\t': 'a tab', '|': 'a bar', ':': 'a colon'}


def read_text(file: str | Path) -> str:
    """Text of a list of images; a byte order mark is fine.

    Raises:
        ValueError: If the file cannot be read, or is not UTF-8 (with the line).
    """
    try:
        content = fileio.get(str(file))
    except IsADirectoryError as error:
        raise ValueError(f'{file} is a folder, not a list of images') from error
    except (OSError, ValueError) as error:
        raise ValueError(f'cannot read the list of images {file}: {error}') from error
    if content.startswith((b'\xff\xfe', b'\xfe\xff')) or b'\0' in content[:1000]:
        raise ValueError(f'{file} is UTF-16 or not text: save it as UTF-8')
    try:
        return content.decode('utf-8-sig')
    except UnicodeDecodeError as error:
        number = len((content[: error.start] + b'.').splitlines())
        raw = content.splitlines()[number - 1]
        raise ValueError(
            f'{file}, line {number}: not UTF-8: {raw!r}; save the list as UTF-8'
        ) from error


def read_lines(file: str | Path) -> Iterator[tuple[int, str]]:
    """Number and text of each line that is not blank, without blanks at its ends.

    Raises:
        ValueError: As :func:`read_text`.
    """
    text = read_text(file)

    # str.splitlines would also end lines at characters that names may have.
    for number, line in enumerate(text.replace('\r\n', '\n').replace('\r', '\n').split('\n'), 1):
        line = line.strip(BLANKS)
        if line:
            yield number, line


@lru_cache
def image_pattern(endings: tuple[str, ...]) -> str:
    """Regular expression of a path that ends as an image does."""
    known = EXTENSIONS if '' in endings else endings
    return rf'.*(?:{"|".join(map(re.escape, sorted(known, key=len, reverse=True)))})'


def fault_of_line(line: str, labeled: bool, endings: tuple[str, ...], first: bool, of: str) -> str:
    """What is wrong with a line of a list, and the remedy."""
    expected = "'path label'" if labeled else "'path'"
    image = image_pattern(endings)
    if line.startswith('#'):
        return (
            'comments are not allowed: delete the line '
            "(write './#...' for a path that begins with #)"
        )
    if '\\' in line:
        return f'write the path with forward slashes: {line.replace(chr(92), "/")!r}'
    if line.startswith(('"', "'")):
        return "write the path without quotes (or './...' if its name begins with one)"
    if first and not re.search(r'\d', line) and not re.search(image, line, re.IGNORECASE):
        return f'a header is not allowed: delete the line (expected {expected})'

    # A whole path, and what comes after it.
    parts = re.fullmatch(rf'({image})(\s*[,;\t|:]\s*|\s+)(.+)', line, re.IGNORECASE)
    if parts:
        between, rest = parts[2], parts[3]
        mark = next((SEPARATORS[sign] for sign in between if sign in SEPARATORS), None)
        if re.fullmatch(r'\d+(?:[\s,;|]+\d+)+', rest):
            return f'an image with several labels is not supported: expected {expected}'
        if mark and labeled:
            return f"expected 'path label' separated by a blank, not by {mark}"
        if not labeled and re.fullmatch(r'-?\d+', rest):
            return f'it has a label, but the list is of {of}: leave the label out'
        if labeled and not re.search(image, rest, re.IGNORECASE):
            return f'the label {rest!r} is not a whole number of 0 or more'
    if labeled and re.fullmatch(image, line, re.IGNORECASE):
        if re.match(r'\d+\s', line):
            return "the label stands first: expected 'path label'"
        return f'it has no label: expected {expected}'

    path = line.rpartition(' ')[0] if labeled and re.search(r'\s\d+$', line) else line
    if path.endswith('/'):
        return f'{path!r} is a folder: expected {expected} of an image'
    return (
        f'{path!r} does not end as an image does ({", ".join(endings[:5])}, ...): expected '
        f'{expected}; extensions=(...) of the dataset sets other endings'
    )


def parse_list(
    file: str | Path,
    labeled: bool = True,
    endings: Sequence[str] = EXTENSIONS,
    of: str = 'unlabelled images',
) -> dict[str, int]:
    """Path and label of each line ``path label``, or with the label -1 of each line ``path``.

    A path may have spaces and be absolute. Blank lines, blanks at line ends, Windows line ends and
    a byte order mark are fine.

    Args:
        file: The list, a path or URL that MMEngine reads.
        labeled: Whether lines have labels.
        endings: What a path may end with, in lower case; '' for all.
        of: What a list without labels is of, for messages.

    Raises:
        ValueError: If there is no such file, or it is not UTF-8, or has no images; with file, line
            and remedy, if a line is not of that form, or names a hidden file or a path twice.
    """
    endings = tuple(ending.lower() for ending in endings)
    any_ending = '' in endings
    is_labeled = re.compile(rf'{image_pattern(endings)}\s+\d+', re.IGNORECASE)
    lines: dict[str, int] = {}
    normal: set[str] = set()
    for number, line in read_lines(file):
        path, _, label = line.rpartition(' ') if labeled else (line, '', '-1')
        path = path.rstrip(BLANKS)
        if (
            not path.lower().endswith(endings)
            or '\\' in line
            or line[0] in '#"\''
            or not path
            or (labeled and not (label.isdecimal() and label.isascii()))
            or (any_ending and not labeled and is_labeled.fullmatch(line))
        ):
            fault = fault_of_line(line, labeled, endings, not lines, of)
            raise ValueError(f'{file}, line {number}: {line!r}: {fault}')

        # An absolute path says itself which folders it goes through.
        folder, _, name = path.rpartition('/')
        foreign = name if is_foreign(name) else None if path[0] == '/' else foreign_part(folder)
        if foreign is not None:
            raise ValueError(
                f'{file}, line {number}: {path} is hidden or foreign (by {foreign!r}):'
                ' delete the line'
            )
        same = posixpath.normpath(path) if '//' in path or './' in path else path
        if same in normal:
            earlier = find_line(file, same, labeled)
            raise ValueError(
                f'{file}, line {number}: {path} stands in line {earlier} already'
                + (f', with label {lines[find_path(lines, same)]}' if labeled else '')
            )
        normal.add(same)
        lines[path] = int(label)
    if not lines:
        raise ValueError(f'{file} has no images')
    return lines


def find_path(paths: dict[str, int], same: str) -> str:
    """The first path that is ``same`` after normalisation."""
    return next(path for path in paths if posixpath.normpath(path) == posixpath.normpath(same))


def find_line(file: str | Path, path: str, labeled: bool) -> int:
    """Number of the first line of a sound list that has a path, normalised; 0 if none."""
    same = posixpath.normpath(path)
    for number, line in read_lines(file):
        listed = line.rpartition(' ')[0].rstrip(BLANKS) if labeled else line
        if posixpath.normpath(listed) == same:
            return number
    return 0


def to_line(path: str, label: int | None = None) -> str:
    """The line of a list that :func:`parse_list` reads as this path and label.

    Raises:
        ValueError: If no line can hold the path.
    """
    if any(sign in path for sign in '\n\r\\') or path != path.rstrip(BLANKS):
        raise ValueError(
            'a list cannot hold a path with a line break, a back slash or a blank at '
            f'its end: rename {path!r}'
        )

    try:
        path.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f'a list cannot hold a name that is not UTF-8: rename {path!r}') from error

    if path[0] in f'#"\'{BLANKS}':
        path = f'./{path}'

    return path if label is None else f'{path} {label}'
