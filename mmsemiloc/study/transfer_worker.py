"""The process of one transfer run.

``python -m mmsemiloc.study.transfer_worker FOLDER SPLIT FD`` trains and tests. It does what
:mod:`mmsemiloc.study.worker` does, but for any config, and measures with the config's own test
metrics. With the split 'none' it only trains.
"""

from pathlib import Path

from mmengine.config import Config

from mmsemiloc.engine.build import build_runner
from mmsemiloc.engine.work_dir_lock import locked
from mmsemiloc.files import write_json
from mmsemiloc.study.runs import NO_TEST, Run
from mmsemiloc.study.transfer import checked_metrics, initialised
from mmsemiloc.study.worker import Send, run_process, train


def test(cfg: Config, checkpoint: Path) -> dict[str, float]:
    """The test metrics of a checkpoint."""
    cfg = initialised(cfg, None)
    cfg.load_from = str(checkpoint)
    runner = build_runner(cfg)
    evaluators = [type(metric).__name__ for metric in runner.test_evaluator.metrics]
    return checked_metrics(runner.test(), evaluators)


def work(run: Run, split: str, send: Send) -> None:
    """Train and test what is not done yet."""
    if not run.trained.is_file():
        with locked(run.cfg):
            train(run, send)
    if split != NO_TEST and not run.evaluated(split).is_file():
        send(dict(stage='testing'))
        write_json(run.evaluated(split), test(run.cfg, run.checkpoint()))


if __name__ == '__main__':
    run_process(work)
