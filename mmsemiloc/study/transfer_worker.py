"""The process of one transfer run: ``python -m mmsemiloc.study.transfer_worker FOLDER SPLIT FD``
trains and tests.

As :mod:`mmsemiloc.study.worker`, but for any config: what it is worth is what the config's own test
metrics say. With the split 'none' it is trained only.
"""

from pathlib import Path

from mmengine.config import Config

from mmsemiloc.engine.build import build_runner
from mmsemiloc.study.runs import Run, write_json
from mmsemiloc.study.transfer import NO_TEST, checked_metrics, initialised
from mmsemiloc.study.worker import Send, run_process, train


def test(cfg: Config, checkpoint: Path) -> dict[str, float]:
    """The test metrics of a checkpoint."""
    cfg = initialised(cfg, None)
    cfg.load_from = str(checkpoint)
    runner = build_runner(cfg)
    return checked_metrics(
        runner.test(), [type(metric).__name__ for metric in runner.test_evaluator.metrics]
    )


def work(run: Run, split: str, send: Send) -> None:
    """Train and test what is not done yet."""
    if not run.trained.is_file():
        train(run, send)
    if split != NO_TEST and not run.evaluated(split).is_file():
        send(dict(stage='testing'))
        write_json(run.evaluated(split), test(run.cfg, run.checkpoint()))


if __name__ == '__main__':
    run_process(work)
