"""Time, memory and accuracy of ``mmsemiloc.fit`` on Fashion-MNIST, written as image files."""

import csv
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from mmsemiloc.datasets.fashion_mnist import FashionMNIST
from mmsemiloc.datasets.few_labels import draw_labels
from mmsemiloc.few_labels.fit import fit
from mmsemiloc.study.measure import peak_memory_mib
from mmsemiloc.study.tables import Table


@dataclass(frozen=True)
class Measured:
    """One call of ``fit``.

    Attributes:
        seed: Of the draw of the labels.
        seconds: Of the whole call, with the features that were not there yet.
        memory: Peak of the process so far (MiB).
        said: What ``fit`` says about accuracy.
        accuracy: Accuracy (%) on the images without a label, which ``fit`` cannot know.
    """

    seed: int
    seconds: float
    memory: float
    said: str
    accuracy: float


def write_photos(dataset: FashionMNIST, images: int, folder: Path) -> list[str]:
    """Write the first images of a data set as PNG files; the name of the class of each."""
    folder.mkdir()
    names = []
    for place in range(images):
        info = dataset.get_data_info(place)
        cv2.imwrite(str(folder / f'{place:05}.png'), info['img'])
        names.append(dataset.metainfo['classes'][info['gt_label']])
    return names


def write_labels(names: Sequence[str], per_class: int, seed: int, file: Path) -> set[str]:
    """Write a csv file with the labels that a seed draws; the files that it names."""
    _, classes = np.unique(names, return_inverse=True)
    drawn = draw_labels(classes, per_class, seed)
    rows = [(f'{place:05}.png', names[place]) for place in drawn]
    with file.open('w', newline='') as stream:
        csv.writer(stream).writerows([('file', 'label'), *rows])
    return {name for name, _ in rows}


def measure_fit(images: int, per_class: int, seeds: Sequence[int]) -> list[Measured]:
    """Fit to the same images with the labels that each seed draws; features are kept between."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        names = write_photos(FashionMNIST(split='train'), images, folder / 'photos')
        return [measure_seed(folder, names, per_class, seed) for seed in seeds]


def measure_seed(folder: Path, names: Sequence[str], per_class: int, seed: int) -> Measured:
    """One call of ``fit``."""
    known = write_labels(names, per_class, seed, folder / 'labels.csv')
    lines: list[str] = []
    start = time.perf_counter()
    fit(
        folder / 'photos',
        folder / 'labels.csv',
        work_dir=folder / f'fit{seed}',
        cache=folder / 'cache',
        say=lines.append,
    )
    seconds = time.perf_counter() - start

    # Predictions of the images whose label was not in the csv file.
    with (folder / f'fit{seed}' / 'predictions.csv').open() as stream:
        rows = list(csv.DictReader(stream))
    places = [int(Path(row['file']).stem) for row in rows]
    correct = [names[place] == row['class'] for place, row in zip(places, rows, strict=True)]
    assert len(rows) == len(names) - len(known)

    said = next(line for line in lines if line.startswith('Accuracy'))
    return Measured(
        seed=seed,
        seconds=seconds,
        memory=peak_memory_mib(),
        said=said.partition(', on')[0].removeprefix('Accuracy '),
        accuracy=100 * float(np.mean(correct)),
    )


def fit_table(rows: Sequence[Measured], images: int, per_class: int) -> Table:
    """One row per draw of the labels."""
    title = f'fit on {images} images of Fashion-MNIST, {per_class} labels per class'
    return Table(
        title,
        ['seed', 'seconds', 'peak MiB', 'fit says', 'unlabelled images, %'],
        [
            [
                str(row.seed),
                f'{row.seconds:.0f}',
                f'{row.memory:.0f}',
                row.said.replace('95 % interval ', ''),
                f'{row.accuracy:.1f}',
            ]
            for row in rows
        ],
    )
