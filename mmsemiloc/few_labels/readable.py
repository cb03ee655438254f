"""Which photographs can be read, each content once."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmsemiloc.few_labels.photos import Photos


@dataclass(frozen=True)
class Readable:
    """The photographs that could be read, each content once.

    Attributes:
        files: The labelled ones, then the unlabelled ones (N,).
        keys: Content of each.
        labels: Classes of the first L.
        faults: Reason for each file that could not be read.
        copies: Files that have the content of another one, labelled or not, and are left out.
    """

    files: list[Path]
    keys: list[bytes]
    labels: np.ndarray
    faults: dict[Path, str]
    copies: list[Path]


def readable(photos: Photos, keys: Sequence[bytes | None], faults: dict[int, str]) -> Readable:
    """Leave out unlabelled files that cannot be read or are copies.

    Args:
        photos: All files.
        keys: Content of the labelled files, then of the unlabelled ones; None if unreadable.
        faults: Reason for each unreadable one, by its place.

    Raises:
        ValueError: If a labelled file cannot be read, or two with the same content have different
            labels.
    """
    files = [*photos.labeled, *photos.unlabeled]
    labeled = len(photos.labeled)
    first: dict[bytes, int] = {}
    kept, labels, copies = [], [], []
    for place, (file, key) in enumerate(zip(files, keys, strict=True)):
        if key is None:
            if place < labeled:
                raise ValueError(f'cannot read the labelled image {file}: {faults[place]}')
            continue

        # A labelled copy has the label of the first one, or one of the two is wrong.
        other = first.setdefault(key, place)
        if other == place:
            kept.append(place)
            if place < labeled:
                labels.append(int(photos.labels[place]))
            continue
        if place < labeled and photos.labels[other] != photos.labels[place]:
            names = [photos.classes[photos.labels[number]] for number in (other, place)]
            raise ValueError(
                f'{files[other]} and {file} are the same image, but one is labelled {names[0]!r} '
                f'and the other {names[1]!r}'
            )
        copies.append(file)

    return Readable(
        files=[files[place] for place in kept],
        keys=[keys[place] or b'' for place in kept],
        labels=np.array(labels, np.int64),
        faults={files[place]: reason for place, reason in faults.items()},
        copies=copies,
    )
