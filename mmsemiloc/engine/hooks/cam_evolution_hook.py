"""Hook that shows how class activation maps change while a model is trained."""

import contextlib
import csv
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np
from mmengine.dataset import BaseDataset
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop, Runner
from torch import nn

from mmsemiloc.datasets.checks.box_motion import check_moves_boxes
from mmsemiloc.datasets.random_state import RandomState
from mmsemiloc.datasets.subsets import subset_of
from mmsemiloc.datasets.tolerant_dataset import tolerant
from mmsemiloc.engine.hooks.step_arguments import StepArguments
from mmsemiloc.evaluation import ImageScore, scored_batches, true_boxes, true_class
from mmsemiloc.evaluation.image_scores import Values, followed_values
from mmsemiloc.files import write_csv
from mmsemiloc.models import inner_model
from mmsemiloc.models.numerics import check_number
from mmsemiloc.registry import DATASETS, HOOKS
from mmsemiloc.visualization.pictures import append_column, draw_column, to_bgr

COUNTS = ('epoch', 'iter')  # columns of whole numbers


@contextlib.contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode inside of ``with``.

    After it each module is in its own mode again, and random numbers go on as before.
    """
    modes = [(module, module.training) for module in model.modules()]
    state = RandomState(next(model.parameters()).device)
    model.eval()

    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
        state.restore()


def read_rows(path: Path, until: float = float('inf')) -> list[Values]:
    """Rows of ``cam_evolution.csv`` up to an iteration; none if there is no file."""
    if not path.is_file():
        return []

    # An empty cell is a value that was not known.
    with path.open(newline='') as file:
        texts = list(csv.DictReader(file))
    rows: list[Values] = []
    for text in texts:
        row: Values = {name: float(value) if value else None for name, value in text.items()}
        rows.append(row | {name: int(text[name]) for name in COUNTS})

    return [row for row in rows if (row['iter'] or 0) <= until]


@HOOKS.register_module()
class CAMEvolutionHook(Hook):
    """Scores the maps of the most probable class on the same images over a run.

    It does so before the first step and every few epochs or iterations.

    A row of ``work_dir/cam_evolution.csv`` has accuracy, MaxBoxAccV2, the map's energy inside the
    true box, the pointing game and the map's area above half of its maximum, all in %; what needs
    boxes is empty if the images have none. The same goes to the visualizer (TensorBoard).
    ``work_dir/cam_evolution/*.png`` show some images with the map at all these times. A resumed run
    goes on with both. The run itself is bit-identical to one without the hook: it works on rank 0,
    in evaluation mode, with the random numbers set aside. With ``EMAHook`` the maps are those of
    the trained weights, not of their average.

    Args:
        interval: Epochs or iterations from one row to the next.
        by_epoch: Whether it counts epochs; an iteration-based loop needs False.
        num_images: Images that are scored, the classes evenly.
        num_strips: Images that are drawn, the classes evenly.
        batch_size: Images at once.
        dataset: Config of a dataset with labels; by default that of the validation dataloader.
        seed: Of the choice of images; the same in all runs that are to be compared.

    Raises:
        ValueError: If a number is out of range, and before training, if there is no dataset or no
            epoch to count, an image cannot be read or has no label, or a transform moves its pixels
            without its boxes; during training, with the image, if a map is not finite.

    Example:
        dict(type='mmsemiloc.CAMEvolutionHook', interval=500, by_epoch=False)
    """

    step_arguments: ClassVar[StepArguments] = dict(interval=None)

    def __init__(
        self,
        interval: int = 1,
        by_epoch: bool = True,
        num_images: int = 256,
        num_strips: int = 8,
        batch_size: int = 32,
        dataset: dict | None = None,
        seed: int = 0,
    ) -> None:
        for name, value in (
            ('interval', interval),
            ('num_images', num_images),
            ('batch_size', batch_size),
        ):
            check_number(f'{name} of CAMEvolutionHook', value, 1, whole=True)

        check_number('num_strips of CAMEvolutionHook', num_strips, 0, whole=True)
        self.interval, self.by_epoch = interval, by_epoch
        self.num_images, self.num_strips, self.batch_size, self.dataset = (
            num_images,
            num_strips,
            batch_size,
            dataset,
        )
        self.seed = seed

    def before_train(self, runner: Runner) -> None:
        """Read the images and the rows of the run that is resumed; score a new model."""
        if self.by_epoch and not isinstance(runner.train_loop, EpochBasedTrainLoop):
            raise ValueError(
                'CAMEvolutionHook: by_epoch=True, but train_cfg counts iterations; set '
                'by_epoch=False'
            )

        if self.dataset is None and runner.val_loop is None:
            raise ValueError(
                'CAMEvolutionHook: no images: the config has no val_dataloader; give the hook a '
                'dataset'
            )

        if not is_main_process():
            return

        self.model = inner_model(runner.model)
        with evaluating(self.model):  # images may be read with random numbers
            dataset = (
                runner.val_dataloader.dataset
                if self.dataset is None
                else DATASETS.build(tolerant(self.dataset, kind='CAMEvolutionHook'))
            )
            self._read(dataset)

        # A resumed run goes on from its checkpoint: later rows are written once more.
        folder = Path(runner.work_dir)
        self._csv, self._strips = folder / 'cam_evolution.csv', folder / 'cam_evolution'
        self._strips.mkdir(parents=True, exist_ok=True)
        self._rows = read_rows(self._csv, runner.iter) if runner.iter else []
        if runner.iter == 0:
            self._record(runner, epoch=0, iteration=0)

    def _read(self, dataset: BaseDataset) -> None:
        """Read the images that are scored; those that are drawn are among them."""
        check_moves_boxes(dataset, 'CAMEvolutionHook')
        chosen = subset_of(dataset, self.num_images, self.seed)
        drawn = subset_of(dataset, min(self.num_strips, len(chosen)), self.seed)

        # They stay in memory: read again, they could be augmented differently.
        self._images = [dataset[int(i)] for i in chosen]
        self._drawn = np.searchsorted(chosen, drawn).tolist()
        for index, image in zip(chosen.tolist(), self._images, strict=True):
            true_class(image['data_samples'], index)

    def after_train_epoch(self, runner: Runner) -> None:
        """Score after an epoch."""
        if self.by_epoch and is_main_process() and self.every_n_epochs(runner, self.interval):
            self._record(runner, runner.epoch + 1, runner.iter)

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: dict | None = None,
    ) -> None:
        """Score after an iteration."""
        if (
            not self.by_epoch
            and is_main_process()
            and self.every_n_train_iters(runner, self.interval)
        ):
            self._record(runner, runner.epoch, runner.iter + 1)

    def _record(self, runner: Runner, epoch: int, iteration: int) -> None:
        """Score the images, and write and log what came of it."""
        with evaluating(self.model):
            values, maps = self._score()

        # Strips first: their columns are counted by the rows before.
        title = f'epoch {epoch}' if self.by_epoch else f'iter {iteration}'
        for place, index in enumerate(self._drawn):
            self._draw(place, self._images[index], maps[index], title)
        self._rows.append(dict(epoch=epoch, iter=iteration, **values))
        write_csv(self._csv, self._rows)

        # A visualizer takes numbers only.
        known = {name: value for name, value in values.items() if value is not None}
        runner.visualizer.add_scalars(
            {f'cam_evolution/{name}': value for name, value in known.items()}, step=iteration
        )
        listed = ', '.join(f'{name} {value:.1f} %' for name, value in known.items())
        runner.logger.info(f'CAMs, {title}: {listed}')

    def _score(self) -> tuple[Values, dict[int, np.ndarray]]:
        """Scores over all images, and the maps of those that are drawn."""
        scores: list[ImageScore] = []
        maps: dict[int, np.ndarray] = {}
        for seen in itertools.chain.from_iterable(scored_batches(self.model, self._batches())):
            scores.append(seen.score)
            if seen.index in self._drawn and seen.cam is not None:
                maps[seen.index] = seen.cam
        return followed_values(scores), maps

    def _batches(self) -> Iterator[dict]:
        """The images that are scored, in batches."""
        for start in range(0, len(self._images), self.batch_size):
            part = self._images[start : start + self.batch_size]
            yield {key: [image[key] for image in part] for key in ('inputs', 'data_samples')}

    def _draw(self, place: int, item: dict, cam: np.ndarray, title: str) -> None:
        """Append the map to the strip of an image, whose first column is the image itself."""
        path = self._strips / f'{place:03d}.png'
        image, boxes = to_bgr(item['inputs']), true_boxes(item['data_samples'])
        if not self._rows:
            append_column(path, draw_column(image, None, boxes, 'image'), 0)
        append_column(path, draw_column(image, cam, boxes, title), len(self._rows) + 1)
