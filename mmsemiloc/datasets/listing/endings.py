"""Files that are not images by their endings: left out, but counted aloud."""

from collections import Counter
from collections.abc import Iterable
from pathlib import PurePath

from PIL import features

# Endings of what LoadImageFromFile reads; some formats depend on how Pillow was built.
EXTENSIONS = (
    '.jpg',
    '.jpeg',
    '.png',
    '.webp',
    '.bmp',
    '.tif',
    '.tiff',
    '.gif',
    '.ppm',
    '.pgm',
    '.pbm',
    '.pnm',
    '.jpe',
    '.jfif',
    '.dib',
    '.mpo',
    '.apng',
    '.tga',
    '.pcx',
    '.ras',
    *(('.avif',) if 'avif' in features.modules and features.check_module('avif') else ()),
    *(('.jp2', '.j2k') if features.check_codec('jpg_2000') else ()),
)


def is_image(name: str, endings: tuple[str, ...] = EXTENSIONS) -> bool:
    """Whether a file's name has the ending of an image, in capitals or not."""
    return name.lower().endswith(endings)


def count_endings(names: Iterable[str], endings: tuple[str, ...] = EXTENSIONS) -> Counter[str]:
    """How many files have each ending, of those that are not images by it; '' stands for none."""
    return Counter(PurePath(name).suffix.lower() for name in names if not is_image(name, endings))


def describe_endings(counts: Counter[str], folder: object) -> str:
    """One line about files that are left out of a folder; '' if there are none.

    Example:
        >>> describe_endings(Counter({'.heic': 5, '': 1}), 'photos')
        '6 files in photos are not images by their ending and are left out: .heic (5), none (1)'
    """
    if not counts:
        return ''

    listed = ', '.join(
        f'{ending or "none"} ({number})' for ending, number in counts.most_common(10)
    )
    more = ', ...' if len(counts) > 10 else ''
    files = '1 file' if counts.total() == 1 else f'{counts.total()} files'
    is_not = 'is not an image by its' if counts.total() == 1 else 'are not images by their'
    are = 'is' if counts.total() == 1 else 'are'
    return f'{files} in {folder} {is_not} ending and {are} left out: {listed}{more}'
