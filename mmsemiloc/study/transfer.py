"""Fine-tuning of detectors, segmenters and classifiers from several initialisations: runs, results
and tables.
"""

import copy
import json
import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope

from mmsemiloc.models import fit_state, read_checkpoint
from mmsemiloc.study.runs import Run, plan_run
from mmsemiloc.study.tables import Table, format_interval, format_spread

RANDOM = 'random'  # name of the initialisation that is always there
NO_TEST = 'none'  # split of a run that is trained only
# Title in tables of what MMEngine's metrics report, and what makes it a percentage.
METRICS = {
    'coco/bbox_mAP': ('AP', 100),
    'coco/bbox_mAP_50': ('AP50', 100),
    'coco/bbox_mAP_75': ('AP75', 100),
    'pascal_voc/mAP': ('mAP', 100),
    'mIoU': ('mIoU', 1),
    'aAcc': ('aAcc', 1),
    'accuracy/top1': ('top-1', 1),
}


@dataclass(frozen=True)
class TransferResult:
    """What one run gave.

    Attributes:
        name: Name of the initialisation.
        task: Name of the task's config.
        seed: Random seed.
        steps: Optimizer steps.
        images: Views of images that training has run through the network.
        seconds: Duration of training.
        metrics: By its title, each known metric of the test split in %; empty for a run that is
            trained only.
    """

    name: str
    task: str
    seed: int
    steps: int
    images: int
    seconds: float
    metrics: dict[str, float]

    @property
    def summary(self) -> str:
        """One line for the terminal."""
        values = ', '.join(f'{title} {value:.1f} %' for title, value in self.metrics.items())
        return (
            f'{values + ", " if values else ""}trained {self.steps} steps in {self.seconds:.0f} s'
        )


@dataclass(frozen=True)
class TransferRun(Run):
    """A run of any config of MMEngine, with its own test metrics.

    Attributes:
        task: Name of the task's config.
    """

    task: str

    worker = 'mmsemiloc.study.transfer_worker'

    @property
    def label(self) -> str:
        """Initialisation, task and seed."""
        return f'{self.name}, {self.task}, seed {self.seed}'

    def result(self, split: str) -> TransferResult | None:
        """Its result, or None if it has not ended."""
        if not self.trained.is_file() or (split != NO_TEST and not self.evaluated(split).is_file()):
            return None
        training = json.loads(self.trained.read_text())
        metrics = {} if split == NO_TEST else json.loads(self.evaluated(split).read_text())
        return TransferResult(
            name=self.name,
            task=self.task,
            seed=self.seed,
            metrics=known_metrics(metrics),
            **{key: training[key] for key in ('steps', 'images', 'seconds')},
        )


def known_metrics(metrics: Mapping[str, float]) -> dict[str, float]:
    """The metrics of tables by their titles, in %."""
    return {
        title: metrics[name] * scale for name, (title, scale) in METRICS.items() if name in metrics
    }


def checked_metrics(metrics: Mapping[str, float], evaluators: Sequence[str]) -> dict[str, float]:
    """What the test of a run gave, as numbers.

    Without any detection, of which CocoMetric reports nothing, AP is 0.

    Args:
        metrics: What the runner returned.
        evaluators: Class names of the config's test metrics.

    Raises:
        ValueError: If none of the metrics is one that tables show.
    """
    metrics = {name: float(value) for name, value in metrics.items()}
    if 'CocoMetric' in evaluators and not any(name.startswith('coco/') for name in metrics):
        metrics |= {name: 0.0 for name in METRICS if name.startswith('coco/')}
    if not known_metrics(metrics):
        raise ValueError(
            f'tables show {", ".join(METRICS)}; the test of the task gave '
            f'{", ".join(metrics) or "nothing"}'
        )
    return metrics


def initialised(cfg: Config, checkpoint: str | None) -> Config:
    """A copy of a task's config whose backbone starts from a checkpoint.

    From random weights if there is none.
    """
    cfg = copy.deepcopy(cfg)
    cfg.model.backbone.init_cfg = (
        None if checkpoint is None else dict(type='Pretrained', checkpoint=checkpoint)
    )
    return cfg


def check_start(cfg: Config, checkpoint: str) -> None:
    """Check that the backbone of a task's config can start from a checkpoint, before the time that
    runs take.

    Raises:
        ValueError: If it does not fit, see :func:`fit_state`.
    """
    scope = cfg.get('default_scope', 'mmpretrain')
    init_default_scope(scope)
    with MODELS.switch_scope_and_registry(scope) as models:
        backbone = models.build(dict(cfg.model.backbone, init_cfg=None))
    fit_state(backbone, read_checkpoint(checkpoint), checkpoint, 'part')


def plan_transfer(name: str, task: str, cfg: Config, seed: int, work_dir: Path) -> TransferRun:
    """The run of a task from an initialisation with a seed, in a folder of its own below
    ``work_dir``.
    """
    run = plan_run(re.sub(r'[^\w.-]+', '_', f'{task}-{name}'), cfg, seed, work_dir)
    return TransferRun(name, seed, run.folder, run.cfg, task)


def columns_of(results: Sequence[TransferResult]) -> list[tuple[str, str]]:
    """All pairs of a task and the title of one of its metrics, in order."""
    return list(
        dict.fromkeys((result.task, title) for result in results for title in result.metrics)
    )


def values_of(
    results: Sequence[TransferResult], name: str, column: tuple[str, str]
) -> dict[int, float]:
    """The values of a metric by seed."""
    task, title = column
    return {
        result.seed: result.metrics[title]
        for result in results
        if (result.name, result.task) == (name, task) and title in result.metrics
    }


def transfer_table(results: Sequence[TransferResult]) -> Table:
    """One row an initialisation: mean and sample standard deviation over seeds of every metric."""
    names, columns = list(dict.fromkeys(result.name for result in results)), columns_of(results)
    rows = [
        [
            name,
            *(format_spread(list(values_of(results, name, column).values())) for column in columns),
            ' '.join(
                str(seed)
                for seed in sorted({result.seed for result in results if result.name == name})
            ),
        ]
        for name in names
    ]
    titles = [f'{title} % ({task})' for task, title in columns]
    return Table(
        'test split, mean ± standard deviation over seeds',
        ['initialisation', *titles, 'seeds'],
        rows,
    )


def difference_table(
    results: Sequence[TransferResult], pairs: Sequence[tuple[str, str]] = ()
) -> Table | None:
    """One row for each initialisation and each metric: the difference to random weights by seed.

    Then those of ``pairs``.

    Args:
        results: Results of any initialisations, tasks and seeds.
        pairs: Names of further initialisations, of which the first less the second is shown.

    Returns:
        The table; None without any difference.
    """
    names = [name for name in dict.fromkeys(result.name for result in results) if name != RANDOM]
    rows = []
    for name, baseline in [*((name, RANDOM) for name in names), *pairs]:
        for column in columns_of(results):
            base = values_of(results, baseline, column)
            differences = [
                value - base[seed]
                for seed, value in values_of(results, name, column).items()
                if seed in base
            ]
            if differences:
                rows.append(
                    [
                        f'{name} − {baseline}',
                        f'{column[1]} ({column[0]})',
                        format_spread(differences, sign=True),
                        format_interval(differences),
                    ]
                )
    columns = ['pair', 'metric', 'mean ± std', '95 % interval']
    return Table('differences by seed, percentage points', columns, rows) if rows else None


def cost_table(results: Sequence[TransferResult]) -> Table:
    """One row for each way of pre-training or task: steps, images and mean seconds of a run."""
    rows = []
    for key in dict.fromkeys((result.name, result.task) for result in results):
        group = [result for result in results if (result.name, result.task) == key]
        rows.append(
            [
                ', '.join(key),
                str(group[0].steps),
                str(group[0].images),
                f'{statistics.fmean(result.seconds for result in group):.0f}',
            ]
        )
    return Table('cost of a run', ['run', 'steps', 'images', 'seconds'], rows)


def to_rows(results: Sequence[TransferResult]) -> list[dict]:
    """One row for each run and metric, for a csv file."""
    return [
        dict(
            initialisation=r.name,
            task=r.task,
            seed=r.seed,
            metric=title,
            value=round(value, 4),
            steps=r.steps,
            images=r.images,
            seconds=round(r.seconds, 1),
        )
        for r in results
        for title, value in r.metrics.items()
    ]
