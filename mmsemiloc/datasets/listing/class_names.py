"""Names of classes: the same numbers in every data set, in the model and in a checkpoint."""

import unicodedata
from collections.abc import Sequence

SHOWN = 5  # names of a list that a message shows


def listed(names: Sequence[str]) -> str:
    """Names in words: the first ones, and how many there are if there are more."""
    shown = ', '.join(repr(name) for name in names[:SHOWN])
    return shown if len(names) <= SHOWN else f'{shown}, ... ({len(names)})'


def same_name(name: str) -> str:
    """A name in Unicode form NFC: macOS and Windows store the same accents differently."""
    return unicodedata.normalize('NFC', name)


def alike_name(name: str) -> str:
    """A name without what a person overlooks: case, outer blanks, and how accents are stored."""
    return same_name(same_name(name.strip()).casefold())


def check_class_names(names: Sequence[str], where: str) -> None:
    """Refuse names of classes that a person could not tell apart.

    Args:
        names: Of each class, in the order of their numbers.
        where: What has these names, for the message.

    Raises:
        ValueError: If a name is empty or not text, or two are equal up to case and Unicode
            normalisation.
    """
    known: dict[str, int] = {}
    for number, name in enumerate(names):
        if not isinstance(name, str) or not name.strip():
            raise ValueError(
                f'{where}: class {number} of {len(names)} has the name {name!r} (a blank line in a '
                'file of classes?)'
            )

        key = alike_name(name)
        if key in known:
            other = names[known[key]]
            shown = (
                (ascii(other), ascii(name))
                if repr(other) == repr(name) or same_name(other) == same_name(name)
                else (repr(other), repr(name))
            )
            raise ValueError(
                f'{where}: classes {known[key]} and {number} have names that are the same or '
                f'differ only in case, blanks or Unicode normalisation: {shown[0]} and {shown[1]}'
            )
        known[key] = number


def check_same_classes(
    names: Sequence[str], others: Sequence[str], where: str, elsewhere: str
) -> None:
    """Refuse two lists of classes in which a name has two numbers.

    Args:
        names: Of each class, in the order of their numbers.
        others: The same of something else.
        where: What has ``names``, for the message.
        elsewhere: What has ``others``.

    Raises:
        ValueError: With the names that only one of them has, or that have another number.
    """
    first, second = [same_name(name) for name in names], [same_name(name) for name in others]
    if first == second:
        return

    # Names that only one of the two has.
    only_first = [name for name in first if name not in {*second}]
    only_second = [name for name in second if name not in {*first}]
    if only_first or only_second:
        faults = [
            f'{listed(missing)} only in {place}'
            for place, missing in ((where, only_first), (elsewhere, only_second))
            if missing
        ]
        raise ValueError(
            f'{where} and {elsewhere} have different classes, so their numbers would not agree: '
            f'{"; ".join(faults)}. Give both the same classes, with classes=... if one lacks '
            'images of some'
        )

    # The same names in another order.
    number = next(i for i, name in enumerate(first) if second[i] != name)
    raise ValueError(
        f'{where} and {elsewhere} number their classes differently: class {number} is '
        f'{first[number]!r} in {where} and {second[number]!r} in {elsewhere}'
    )


def check_number_of_classes(names: Sequence[str], num_classes: int, where: str) -> None:
    """Refuse a model with another number of classes than there are names.

    Raises:
        ValueError: With both numbers and some names.
    """
    if len(names) != num_classes:
        raise ValueError(
            f'{where} has {len(names)} classes ({listed(names)}), but the model has '
            f'num_classes={num_classes}: set num_classes={len(names)}, or the classes= of the data '
            'set'
        )
