"""Fine-tuning of detectors, segmenters and classifiers from several initialisations."""

import copy
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope

from mmsemiloc.models import fit_state, read_checkpoint
from mmsemiloc.study.runs import Run, plan_run

RANDOM = 'random'  # name of the initialisation that is always there
# Name in results of what MMEngine's metrics report, and what makes it a percentage.
METRICS: dict[str, tuple[str, float]] = {
    'coco/bbox_mAP': ('AP', 100),
    'coco/bbox_mAP_50': ('AP50', 100),
    'coco/bbox_mAP_75': ('AP75', 100),
    'pascal_voc/mAP': ('mAP', 100),
    'mIoU': ('mIoU', 1),
    'aAcc': ('aAcc', 1),
    'accuracy/top1': ('top-1', 1),
}


class TransferRun(Run):
    """A run of any config of MMEngine, with its own test metrics."""

    worker = 'mmsemiloc.study.transfer_worker'

    def metrics(self, split: str) -> Mapping[str, float | None]:
        """The metrics of tables."""
        return known_metrics(json.loads(self.evaluated(split).read_text()))


def known_metrics(metrics: Mapping[str, float]) -> dict[str, float]:
    """The metrics that tables show, by their names in results, in %."""
    return {
        name: metrics[reported] * scale
        for reported, (name, scale) in METRICS.items()
        if reported in metrics
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
    """Check that the backbone of a task's config can start from a checkpoint.

    Before the time that runs take.

    Raises:
        ValueError: If it does not fit, see :func:`fit_state`.
    """
    scope = cfg.get('default_scope', 'mmpretrain')
    init_default_scope(scope)
    with MODELS.switch_scope_and_registry(scope) as models:
        backbone = models.build(dict(cfg.model.backbone, init_cfg=None))
    fit_state(backbone, read_checkpoint(checkpoint), checkpoint, 'part')


def plan_transfer(name: str, task: str, cfg: Config, seed: int, work_dir: Path) -> TransferRun:
    """The run of a task from an initialisation with a seed, in a folder below ``work_dir``."""
    run = plan_run(re.sub(r'[^\w.-]+', '_', f'{task}-{name}'), cfg, seed, work_dir)
    return TransferRun(name, seed, run.folder, run.cfg, task)
