"""Files and folders that are not part of a data set: hidden ones, and what systems leave behind."""

from collections import Counter
from functools import lru_cache

# Compared in lower case. Names that begin with a dot (.ipynb_checkpoints, .DS_Store) need no entry.
FOREIGN_NAMES = frozenset(
    name.lower()
    for name in (
        '__MACOSX',
        'Icon\r',
        'Network Trash Folder',
        'Temporary Items',
        'TheVolumeSettingsFolder',
        '$RECYCLE.BIN',
        'System Volume Information',
        'Thumbs.db',
        'ehthumbs.db',
        'desktop.ini',
        'found.000',
        'lost+found',
        '__pycache__',
        '@eaDir',
        '@tmp',
        '@Recycle',
        '@Recently-Snapshot',
        '#recycle',
        '#snapshot',
        '~snapshot',
    )
)
PREFIXES = ('.', '~$')  # hidden files, and the locks of office programs


def is_foreign(name: str) -> bool:
    """Whether a file or folder of this name is hidden or foreign, and never an image or a class."""
    return name.startswith(PREFIXES) or name.lower() in FOREIGN_NAMES


@lru_cache(maxsize=2**16)
def foreign_part(path: str) -> str | None:
    """The first part of a relative path that is hidden or foreign; '.' and '..' are not."""
    parts = (name for name in path.split('/') if name not in ('', '.', '..'))
    return next((name for name in parts if is_foreign(name)), None)


def describe_foreign(counts: Counter[str], folder: object) -> str:
    """One line about what is left out of a folder; '' if nothing is.

    Example:
        >>> describe_foreign(Counter({'.DS_Store': 3, '__MACOSX': 1}), 'photos')
        '4 hidden or foreign files or folders in photos are left out: .DS_Store (3), __MACOSX (1)'
    """
    if not counts:
        return ''

    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    names = ', '.join(f'{name} ({number})' for name, number in ranked[:10])
    more = ', ...' if len(counts) > 10 else ''
    what = (
        '1 hidden or foreign file or folder in {} is'
        if counts.total() == 1
        else f'{counts.total()} hidden or foreign files or folders in {{}} are'
    )
    return f'{what.format(folder)} left out: {names}{more}'
