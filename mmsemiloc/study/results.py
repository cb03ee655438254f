"""What a run gave, and the rows that are stored of it."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from rich.markup import escape

from mmsemiloc.files import write_csv

# Metrics that tables show, by their names in results, with their titles.
TITLES = {
    'accuracy': 'accuracy %',
    'mean_recall': 'mean recall %',
    'classes_used': 'classes used',
    'max_box_acc_v2': 'MaxBoxAccV2 %',
    'cam_in_box': 'CAM in box %',
    'cam_area': 'CAM area %',
    'AP': 'AP %',
    'AP50': 'AP50 %',
    'AP75': 'AP75 %',
    'mAP': 'mAP %',
    'mIoU': 'mIoU %',
    'aAcc': 'aAcc %',
    'top-1': 'top-1 %',
}
HEADLINES = ('accuracy', 'AP', 'AP50', 'AP75', 'mAP', 'mIoU', 'aAcc', 'top-1')
OLD_COLUMNS = {'initialisation': 'name'}  # of stored rows, and what they are called now


@dataclass(frozen=True)
class Cost:
    """What a run took.

    Attributes:
        steps: Optimizer steps.
        images: Views of images that training has run through the network, labelled or not. An
            image counts once for each of its views.
        seconds: Duration of training.
        memory_mib: Largest memory of the process in MiB; None if it was not stored.
    """

    steps: int
    images: int
    seconds: float
    memory_mib: float | None = None


@dataclass(frozen=True)
class Result:
    """What one run gave on one split.

    A study of classifiers has these metrics: ``accuracy`` (correctly classified images),
    ``mean_recall`` (the mean of that share over the true classes), ``classes_used`` of
    ``num_classes`` (classes that some image was given to), ``max_box_acc_v2``, ``cam_in_box`` and
    ``cam_area`` of the predicted class's CAM, and two uninformed baselines: ``box_area`` (share of
    the image in the true box, which a uniform map has inside it) and ``centre_box_acc_v2`` (of a
    Gaussian at the centre). A transfer study has those of its tasks, such as ``AP`` and ``mIoU``.

    Attributes:
        name: Name of the config, or of the initialisation in a transfer study.
        seed: Random seed.
        split: 'val' or 'test'; 'none' if the run was trained only.
        metrics: Values by name, in % but for numbers of classes. None is what cannot be measured:
            maps of a model that has none, boxes of images without any.
        cost: What the run took.
        task: Name of the task's config in a transfer study.
        folder: Folder of the run.
        curves: Logged values, for each name a list of [step, value].
    """

    name: str
    seed: int
    split: str
    metrics: Mapping[str, float | None]
    cost: Cost
    task: str = ''
    folder: str = ''
    curves: dict[str, list[list[float]]] = field(default_factory=dict, repr=False)

    @property
    def summary(self) -> str:
        """One line for the terminal."""
        parts = [
            f'{name} {value:.1f} %'
            for name, value in self.metrics.items()
            if name in HEADLINES and value is not None
        ]
        if 'classes_used' in self.metrics:
            parts.append('{classes_used} of {num_classes} classes used'.format(**self.metrics))

        parts.append(f'trained {self.cost.steps} steps in {self.cost.seconds:.0f} s')
        return (f'{self.split} ' if self.metrics else '') + ', '.join(parts)


@dataclass(frozen=True)
class Failure:
    """A run that stopped with an error: its label, the last line of the error, and its log."""

    label: str
    message: str
    log: Path

    @property
    def summary(self) -> str:
        """One line for the terminal."""
        return f'[red]failed[/red], log: {escape(str(self.log))}'


def to_row(result: Result) -> dict[str, object]:
    """A result without its curves, as a row of a csv file."""
    row: dict[str, object] = dict(name=result.name)
    if result.task:
        row['task'] = result.task
    row.update(seed=result.seed, split=result.split, folder=result.folder)
    return {**row, **asdict(result.cost), **result.metrics}


def write_results(results: Sequence[Result], path: Path, **extra: str) -> None:
    """Write a csv file with one row per run; ``extra`` columns are the same in every row."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_csv(path, [{**to_row(result), **extra} for result in results])


def read_results(path: Path) -> list[Result]:
    """The results in a csv file, without curves.

    Rows that older versions of the transfer study wrote, one row per run and metric, are joined.

    Args:
        path: What ``tools/study.py --csv`` or ``tools/transfer.py --csv`` has written.

    Raises:
        OSError: If there is no such file.
        ValueError: If a value is not a number.
    """
    with path.open(newline='') as file:
        rows = [
            {OLD_COLUMNS.get(name, name): value for name, value in row.items()}
            for row in csv.DictReader(file)
        ]
    groups: dict[tuple[str, ...], list[dict[str, str]]] = {}
    for row in rows:
        key = (row['name'], row.get('task', ''), row['seed'], row.get('split', ''))
        groups.setdefault(key, []).append(row)
    return [read_result(group) for group in groups.values()]


def to_number(text: str) -> float | None:
    """The value of a cell: whole numbers stay whole, and an empty cell is None."""
    if text.isdecimal():
        return int(text)
    return float(text) if text else None


def read_result(rows: Sequence[Mapping[str, str]]) -> Result:
    """The result in one row, or in one row per metric."""
    values = dict(rows[0])
    names = [values.pop(name, '') for name in ('name', 'task', 'split', 'folder', 'options')]
    name, task, split, folder, _ = names
    seed = int(values.pop('seed'))

    # What is not known here is a metric.
    known = {each.name: values.pop(each.name, '') for each in fields(Cost)}
    if 'metric' in values:
        values = {row['metric']: row['value'] for row in rows}
    # Tasks that share a file have columns of other tasks, which are empty.
    metrics = {metric: to_number(value) for metric, value in values.items() if value or not task}

    return Result(
        name,
        seed,
        split or 'test',
        metrics,
        Cost(
            int(known['steps']),
            int(known['images']),
            float(known['seconds']),
            float(known['memory_mib']) if known['memory_mib'] else None,
        ),
        task,
        folder,
    )
