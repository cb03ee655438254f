"""What a run is, and where its files lie."""

import copy
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import ClassVar

import torch
from mmengine.config import Config
from mmengine.runner import find_latest_checkpoint

from mmsemiloc import __version__
from mmsemiloc.study.data_files import data_fingerprint
from mmsemiloc.study.results import Cost, Result

NO_TEST = 'none'  # split of a run that is trained only


@dataclass(frozen=True)
class Run:
    """One training run.

    Attributes:
        name: Name of the config in tables.
        seed: Random seed.
        folder: Where all files of the run lie; its name depends on what the config says.
        cfg: The config with its seed and folder.
        task: Name of the task's config in a transfer study.
    """

    name: str
    seed: int
    folder: Path
    cfg: Config = field(repr=False)
    task: str = ''

    # Module of the process that trains and evaluates it.
    worker: ClassVar[str] = 'mmsemiloc.study.worker'

    @property
    def label(self) -> str:
        """Name, task if there is one, and seed."""
        name = f'{self.name}, {self.task},' if self.task else self.name
        return f'{name} seed {self.seed}'

    @property
    def log(self) -> Path:
        """Everything that the run printed."""
        return self.folder / 'console.log'

    @property
    def config(self) -> Path:
        """The config, as the run's process reads it."""
        return self.folder / 'config.py'

    @property
    def trained(self) -> Path:
        """Written when training has ended."""
        return self.folder / 'train.json'

    def evaluated(self, split: str) -> Path:
        """Written when the split has been evaluated."""
        return self.folder / f'{split}.json'

    def predictions(self, split: str) -> Path:
        """Predictions on the split; see ``Evaluation``."""
        return self.folder / f'{split}.npz'

    def checkpoint(self) -> Path:
        """The newest checkpoint.

        Raises:
            ValueError: If the folder has none.
        """
        newest = find_latest_checkpoint(str(self.folder))
        if newest is None:
            raise ValueError(f'there is no checkpoint in {self.folder}')

        # The name alone: the folder may have been moved, or be relative to another one.
        return self.folder / Path(newest).name

    def metrics(self, split: str) -> Mapping[str, float | None]:
        """The metrics of a split that has been evaluated, by their names in results."""
        return json.loads(self.evaluated(split).read_text())

    def result(self, split: str) -> Result | None:
        """Its result on a split; None if it has not ended."""
        trained_only = split == NO_TEST
        if not (self.trained.is_file() and (trained_only or self.evaluated(split).is_file())):
            return None

        training = json.loads(self.trained.read_text())
        return Result(
            name=self.name,
            seed=self.seed,
            split=split,
            metrics={} if trained_only else self.metrics(split),
            cost=Cost(**{each.name: training.get(each.name) for each in fields(Cost)}),
            task=self.task,
            folder=str(self.folder),
            curves=training['curves'],
        )


def fingerprint(cfg: Config) -> str:
    """12 hex digits that name what a config would train, and with which versions.

    They depend on all that the config says but its place and seed, and on the lists and images
    that it names, so that results of other data are not taken for its own.
    """
    content = cfg.to_dict()
    content.pop('work_dir', None)
    content['randomness'] = {**content.get('randomness', {}), 'seed': None}
    data = data_fingerprint(content)
    parts = [content, __version__, torch.__version__, *([data] if data else [])]
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def plan_run(name: str, cfg: Config, seed: int, work_dir: Path) -> Run:
    """The run of a config with a seed, in a folder of its own below ``work_dir``.

    Raises:
        ValueError: If the seed is negative.
    """
    if seed < 0:
        raise ValueError(f'a seed must be at least 0, got {seed}')
    folder = Path(work_dir) / f'{name}-{fingerprint(cfg)}' / f'seed{seed}'
    cfg = copy.deepcopy(cfg)
    cfg.work_dir = str(folder)
    cfg.randomness = {**cfg.get('randomness', {}), 'seed': seed}
    return Run(name, seed, folder, cfg)
