"""The process of one run: ``python -m mmsemiloc.study.worker FOLDER SPLIT FD``.

It trains and evaluates what is not done yet. Progress goes to the open file descriptor FD, one JSON
object per line.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmsemiloc.engine.build import build_runner
from mmsemiloc.engine.work_dir_lock import locked
from mmsemiloc.files import write_json
from mmsemiloc.models.views import number_of_views
from mmsemiloc.study.evaluate import evaluate_checkpoint, summarize
from mmsemiloc.study.measure import peak_memory_mib
from mmsemiloc.study.results import Cost
from mmsemiloc.study.runs import Run

Send = Callable[[dict], None]


class ProgressHook(Hook):
    """Counts views of images and reports the step and the loss.

    Args:
        send: Called with ``step``, ``total`` and ``loss``.
        period: Least number of seconds between two reports.
    """

    def __init__(self, send: Send, period: float = 0.5) -> None:
        self.send, self.period = send, period
        self.images, self.last = 0, 0.0

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: dict | None = None,
    ) -> None:
        """Count, and report now and then."""
        assert data_batch is not None and outputs is not None
        self.images += images_of(data_batch)
        step = runner.iter + 1
        if time.monotonic() - self.last >= self.period or step == runner.max_iters:
            self.last = time.monotonic()
            self.send(dict(step=step, total=runner.max_iters, loss=float(outputs['loss'])))


def images_of(batch: dict) -> int:
    """Views of images in a collated batch.

    MMPretrain's self-supervised models have a list of batches, one per view.
    """
    inputs = batch['inputs']
    if isinstance(inputs, list) and inputs[0].dim() == 4:
        return sum(map(len, inputs))
    return sum(number_of_views(sample) for sample in batch['data_samples'])


def read_curves(folder: Path) -> dict[str, list[list[float]]]:
    """What MMEngine logged below ``folder``: for each name a list of [step, value].

    Empty without ``LocalVisBackend``.
    """
    curves: dict[str, list[list[float]]] = {}
    for file in sorted(folder.glob('*/vis_data/scalars.json')):
        for line in file.read_text().splitlines():
            values = json.loads(line)
            for name, value in values.items():
                if name != 'step' and isinstance(value, int | float):
                    curves.setdefault(name, []).append([values['step'], value])
    return curves


def train(run: Run, send: Send) -> None:
    """Train, and write what came of it to ``run.trained``."""
    runner = build_runner(run.cfg)
    progress = ProgressHook(send)
    runner.register_hook(progress)

    start = time.monotonic()
    runner.train()
    seconds = time.monotonic() - start

    cost = Cost(runner.iter, progress.images, seconds, peak_memory_mib())
    write_json(run.trained, {**asdict(cost), 'curves': read_curves(run.folder)})


def work(run: Run, split: str, send: Send) -> None:
    """Train and evaluate what is not done yet."""
    if not run.trained.is_file():
        with locked(run.cfg):
            train(run, send)
    if not run.evaluated(split).is_file():
        send(dict(stage=f'evaluating on {split}'))
        evaluation = evaluate_checkpoint(run.cfg, str(run.checkpoint()), split)
        evaluation.save(run.predictions(split))
        write_json(run.evaluated(split), summarize(evaluation))


def run_process(work: Callable[[Run, str, Send], None]) -> None:
    """Entry point of a process that does the ``work`` of one run."""
    folder, split, sender = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    os.set_inheritable(sender, False)  # not for what a library may start

    def send(message: dict) -> None:
        os.write(sender, f'{json.dumps(message)}\n'.encode())

    cfg = Config.fromfile(folder / 'config.py')
    work(Run(folder.name, cfg.randomness.seed, folder, cfg), split, send)


if __name__ == '__main__':
    run_process(work)
