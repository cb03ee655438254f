"""What a run is, where its files lie, and what it gave."""

import copy
import hashlib
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.runner import find_latest_checkpoint
from rich.markup import escape

from mmsemiloc import __version__
from mmsemiloc.study.data_files import data_fingerprint


@dataclass(frozen=True)
class Run:
    """One training run.

    Attributes:
        name: Name of the config in tables.
        seed: Random seed.
        folder: Where all files of the run lie; its name depends on what the config says.
        cfg: The config with its seed and folder.
    """

    name: str
    seed: int
    folder: Path
    cfg: Config = field(repr=False)

    worker = 'mmsemiloc.study.worker'  # module of the process that trains and evaluates it

    @property
    def label(self) -> str:
        """Name and seed."""
        return f'{self.name} seed {self.seed}'

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
        """The newest checkpoint."""
        # The name alone: the folder may have been moved, or the work dir be relative to another
        # folder.
        return self.folder / Path(find_latest_checkpoint(str(self.folder)) or 'no checkpoint').name

    def result(self, split: str) -> Any:
        """Its :class:`Result` on a split (of another class for other kinds of runs); None if it has
        not ended.
        """
        if not (self.trained.is_file() and self.evaluated(split).is_file()):
            return None
        training, evaluation = (
            json.loads(path.read_text()) for path in (self.trained, self.evaluated(split))
        )
        return Result(
            name=self.name,
            seed=self.seed,
            split=split,
            folder=str(self.folder),
            **training,
            **evaluation,
        )


@dataclass(frozen=True)
class Result:
    """What one run gave on one split.

    Attributes:
        name: Name of the config.
        seed: Random seed.
        split: 'val' or 'test'.
        folder: Folder of the run.
        steps: Optimizer steps.
        images: Views of images that training has run through the network, labelled or not: one an
            image, if not several.
        seconds: Duration of training.
        memory_mib: Largest memory of the process in MiB.
        accuracy: Images that are classified right, %.
        mean_recall: The mean over the true classes of the images of each that are classified right,
            %.
        classes_used: Number of classes that some image was given to.
        num_classes: C.
        max_box_acc_v2: MaxBoxAccV2 (%) of the predicted class's CAM; None without boxes or maps.
        cam_in_box: Mean share (%) of the energy of the predicted class's CAM inside the true box;
            None without boxes or maps.
        cam_area: Mean share (%) of that CAM above half of its maximum; None without maps.
        box_area: Mean share (%) of the image that the true box covers, the energy of a uniform map;
            None without boxes.
        centre_box_acc_v2: MaxBoxAccV2 (%) of a map that knows nothing, a Gaussian at the centre;
            None without boxes.
        curves: Logged values, for each name a list of [step, value].
    """

    name: str
    seed: int
    split: str
    folder: str
    steps: int
    images: int
    seconds: float
    memory_mib: float
    accuracy: float
    mean_recall: float
    classes_used: int
    num_classes: int
    max_box_acc_v2: float | None
    cam_in_box: float | None
    cam_area: float | None
    box_area: float | None
    centre_box_acc_v2: float | None
    curves: dict[str, list[list[float]]] = field(repr=False)

    @property
    def summary(self) -> str:
        """One line for the terminal."""
        text = (
            f'{self.split} accuracy {self.accuracy:.1f} %, {self.classes_used} of '
            f'{self.num_classes} classes used'
        )
        return f'{text}, trained {self.steps} steps in {self.seconds:.0f} s'


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


def fingerprint(cfg: Config) -> str:
    """12 hex digits that depend on all that a config says (not on its place or seed) and on the
    versions that run it.

    They depend on the lists and images that it names too, so that results of other data are not
    taken for its own.
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


def write_json(path: Path, content: dict) -> None:
    """Write a file that is never half written."""
    partial = path.with_suffix('.partial')
    partial.write_text(json.dumps(content, indent=1))
    os.replace(partial, path)


def to_row(result: Result) -> dict:
    """A result without its curves, for a csv file."""
    row = asdict(result)
    del row['curves']
    return row
