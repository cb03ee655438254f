"""Which class has which number: names are compared, not places."""

from collections.abc import Sequence
from pathlib import Path

from mmengine import fileio

from mmsemiloc.datasets.listing.class_names import alike_name, check_class_names, listed, same_name

# Folders of these names alone are parts of a data set, and not its classes.
SPLITS = frozenset(
    (
        'train',
        'training',
        'val',
        'valid',
        'validation',
        'test',
        'testing',
        'labeled',
        'labelled',
        'unlabeled',
        'unlabelled',
        'meta',
        'images',
    )
)


def read_class_names(file: str | Path) -> tuple[str, ...]:
    """Class names of a text file, one per line; a byte order mark and blanks at line ends are fine.

    Raises:
        ValueError: If it cannot be read or is not UTF-8, or a line is blank; see also
            :func:`check_class_names`.
    """
    try:
        text = fileio.get(str(file)).decode('utf-8-sig')
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f'cannot read the class names {file}: {error}') from error

    names = tuple(same_name(line.strip()) for line in text.removesuffix('\n').split('\n'))
    blank = next((number for number, name in enumerate(names, 1) if not name), None)
    if blank is not None:
        raise ValueError(
            f'{file}, line {blank}: a blank line is not the name of a class: delete it'
        )

    check_class_names(names, str(file))
    return names


def sorted_folders(folders: Sequence[str], where: str) -> list[str]:
    """Class folders in the order of their names in Unicode form NFC, the same on every system.

    Raises:
        ValueError: If two names differ only in normalisation, case or outer blanks, or all of them
            are names of splits.
    """
    folders = sorted(folders, key=lambda name: (same_name(name), name))
    check_class_names(folders, f'class folders of {where}')
    if folders and all(name.lower() in SPLITS for name in folders):
        raise ValueError(
            f'the folders of {where} are {listed(folders)}, which are not classes: '
            'set data_root or data_prefix to the folder that has one folder per class'
        )
    return folders


def number_folders(
    folders: Sequence[str], classes: Sequence[str] | None, where: str
) -> dict[str, int]:
    """Number of the class of each folder.

    Args:
        folders: Class folders, sorted; see :func:`sorted_folders`.
        classes: Name of each class. Folders that have these names get the numbers of their names;
            if no folder has one (ImageNet's numbers and descriptions), the sorted folders get
            0, 1, ... None: the folders' names are the classes.
        where: The folder that they are in, for messages.

    Raises:
        ValueError: If only some folders have names of classes, a name differs from one only in case
            or Unicode normalisation, or there are as many neither.
    """
    if classes is None:
        return {name: number for number, name in enumerate(folders)}
    numbers = {same_name(name): number for number, name in enumerate(classes)}
    named = [name for name in folders if same_name(name) in numbers]
    if folders and len(named) == len(folders):
        return {name: numbers[same_name(name)] for name in folders}

    # Names that nearly agree are a slip, and never a reason to number by place.
    loose = {alike_name(name): name for name in classes}
    for name in folders:
        if same_name(name) not in numbers and alike_name(name) in loose:
            raise ValueError(
                f'class folder {ascii(name)} of {where} and class '
                f'{ascii(loose[alike_name(name)])} differ only in case, outer blanks '
                'or Unicode normalisation: write them alike'
            )
    if named:
        others = [name for name in folders if same_name(name) not in numbers]
        raise ValueError(
            f'{where} has class folders that are not in classes: {listed(others)}; '
            f'classes are {listed(classes)}'
        )
    if len(folders) != len(classes):
        raise ValueError(
            f'{where} has {len(folders)} class folders ({listed(folders)}), but there '
            f'are {len(classes)} classes ({listed(classes)}): set classes=(...) to '
            'the names of the folders'
        )

    # '10' comes before '2' in the order of names, but the author of the classes counts.
    if all(name.isdecimal() for name in folders) and folders != sorted(folders, key=int):
        raise ValueError(
            f'the class folders of {where} are numbers, which sort as '
            f'{listed(folders)}: write them with leading zeros, or give the folders '
            'the names of the classes'
        )
    return {name: number for number, name in enumerate(folders)}
