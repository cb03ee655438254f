"""All draws of a comparison, in processes side by side."""

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch

from mmsemiloc.study.few_labels.draw import draw_places, make_draw, outcome_of
from mmsemiloc.study.few_labels.image_sets import TRAIN, Features, Source, labels_of, load_features
from mmsemiloc.study.few_labels.rows import rows
from mmsemiloc.study.few_labels.shares import share_rows
from mmsemiloc.study.few_labels.store import DrawFile, fingerprint

FIRST = 10  # seed of the first draw; ranges of the settings were looked for on draws before it
FEATURES: list[Features] = []  # of this process


@dataclass(frozen=True)
class Task:
    """One draw.

    Attributes:
        source: The images.
        per_class: Labels of each class.
        seed: Of the draw.
        folder: Where outcomes are kept.
    """

    source: Source
    per_class: int
    seed: int
    folder: Path

    @property
    def file(self) -> DrawFile:
        """The file of its outcomes."""
        return DrawFile(self.folder / f'{self.per_class}_labels' / f'draw_{self.seed:03}.npz')


def plan(source: Source, numbers: Sequence[int], draws: int, folder: Path) -> list[Task]:
    """All draws; the first draw of each number of labels comes before the second one."""
    seeds = range(FIRST, FIRST + draws)
    return [Task(source, per_class, seed, folder) for seed in seeds for per_class in numbers]


def check_draws(tasks: Sequence[Task]) -> None:
    """Check that there are enough images for all draws of one set.

    Raises:
        ValueError: If the images are not there, or a class has too few for a draw.
    """
    source = tasks[0].source
    labels = labels_of(source.records()[TRAIN])
    for task in tasks:
        draw_places(labels, source.images, task.per_class, task.seed)


def start_process(source: Source) -> None:
    """Read the features, which are on the disk, once for a process."""
    torch.set_num_threads(1)
    FEATURES[:] = [load_features(source)]


def run_draw(task: Task) -> Task:
    """Add the outcomes of the methods that a draw does not have yet, one after the other."""
    features, chosen = FEATURES[0], task.source.images
    draw = make_draw(features, chosen, task.per_class, task.seed)
    methods = rows()
    if chosen.metric == 'mean_recall':
        shares = np.bincount(features.train_labels) / len(features.train_labels)
        methods.update(share_rows(draw, shares))

    found = task.file.read()
    for name, row in methods.items():
        mark = fingerprint(chosen, row)
        if name not in found or found[name][0] != mark:
            found[name] = mark, outcome_of(draw, row)
            task.file.write(found)

    # Methods that were removed go.
    if found.keys() != methods.keys():
        task.file.write({name: found[name] for name in methods})
    return task


def run_tasks(tasks: Sequence[Task], jobs: int, done: Callable[[Task], None]) -> None:
    """Run draws in processes.

    Args:
        tasks: The draws, of one set of images whose features are on the disk.
        jobs: Processes.
        done: Called with each draw that has been run.
    """
    # Threads of the features' networks do not survive a fork.
    context = get_context('spawn')
    with ProcessPoolExecutor(jobs, context, start_process, (tasks[0].source,)) as pool:
        futures = [pool.submit(run_draw, task) for task in tasks]
        try:
            for future in as_completed(futures):
                done(future.result())
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
