"""The work of tools/predict.py."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from mmsemiloc.commands.common import check_checkpoint, load_config, read_options
from mmsemiloc.datasets.checks.classes import checkpoint_classes
from mmsemiloc.files import write_csv, write_whole
from mmsemiloc.inference.image_files import find_images
from mmsemiloc.inference.photo_predictions import Prediction, predict_files
from mmsemiloc.inference.photos import image_pipeline
from mmsemiloc.inference.trained_model import load_model
from mmsemiloc.study.tables import Table, print_table
from mmsemiloc.visualization.pictures import image_picture

TABLE_ROWS = 20
BOX = ('x1', 'y1', 'x2', 'y2')


class Results:
    """Draws pictures as predictions come, and keeps the rows of the csv file and of the table.

    Args:
        folder: Where to write.
        classes: Names of the classes; a class beyond them is named by its number.
        topk: Classes per image.
        num_pictures: How many of the first images to draw.
    """

    def __init__(self, folder: Path, classes: Sequence[str], topk: int, num_pictures: int) -> None:
        self.folder, self.classes = folder, classes
        self.topk, self.num_pictures = topk, num_pictures
        self.csv_rows: list[dict[str, object]] = []
        self.rows: list[list[str]] = []  # of the table
        self.drawn = self.without_place = 0
        self.without_maps = False
        self.faults: dict[Path, str] = {}
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def count(self) -> int:
        """Images that were predicted."""
        return len(self.csv_rows)

    def add(self, predictions: Sequence[Prediction], faults: dict[Path, str]) -> None:
        """Take in a batch."""
        self.faults.update(faults)
        for prediction in predictions:
            names = [self.name(label) for label in prediction.labels]
            pairs = list(zip(names, prediction.confidences, strict=True))
            if len(self.rows) < TABLE_ROWS:
                shown = [f'{name} {100 * value:.1f}' for name, value in pairs]
                self.rows.append([prediction.path.name, *shown])

            # The number in a picture's name is that of its row.
            row: dict[str, object] = dict(image=prediction.path, picture=self._draw(prediction))
            for rank, (name, value) in enumerate(pairs, 1):
                row |= {f'class_{rank}': name, f'confidence_{rank}': f'{value:.4f}'}
            row |= zip(BOX, prediction.photo_box or (), strict=False)
            self.csv_rows.append(row)

            self.without_maps |= prediction.cam is None
            self.without_place += prediction.box is not None and prediction.photo_box is None

    def write(self) -> None:
        """Write the csv file; with fewer classes than ``topk`` the last columns are empty."""
        ranks = [f'{name}_{k + 1}' for k in range(self.topk) for name in ('class', 'confidence')]
        columns = ['image', 'picture', *ranks, *BOX]
        write_csv(self.folder / 'predictions.csv', self.csv_rows, columns)

    def _draw(self, prediction: Prediction) -> str:
        """Write the picture of an image, and return its name; none after the first ones."""
        if self.drawn == self.num_pictures:
            return ''
        self.drawn += 1
        picture = f'{self.count:05d}_{prediction.path.stem}.png'
        boxes = [prediction.box] if prediction.box else []
        drawn = image_picture(prediction.image, prediction.cam, boxes, size=400)
        write_whole(self.folder / picture, drawn)
        return picture

    def name(self, label: int) -> str:
        """Name of a class."""
        return str(self.classes[label]) if label < len(self.classes) else str(label)

    def table(self) -> Table:
        """One row per image, of the first ones."""
        columns = [f'class {k}, confidence %' for k in range(1, len(self.rows[0]))]
        shown = len(self.rows)
        first = '' if self.count == shown else f'the first {shown} of '
        title = f'{first}{self.count} images'
        return Table(title, ['image', *columns], self.rows)

    def notes(self) -> Iterator[str]:
        """What is to be said beside the table."""
        # The table shows the first images only.
        if self.count > len(self.rows):
            yield f'{self.count - len(self.rows)} more images: {self.folder / "predictions.csv"}'

        # Why there are no boxes.
        if self.without_maps:
            yield (
                'no maps and boxes, class and confidence only: maps need a linear head over '
                'average-pooled maps, which this model does not have'
            )
        if self.without_place:
            yield (
                f'{self.without_place} boxes are left empty: the test pipeline is random or '
                'turns the images, so that their places in the photos are not known'
            )

        pictures = '1 picture' if self.drawn == 1 else f'{self.drawn} pictures'
        if self.drawn < self.count:
            pictures += f' of the first {self.drawn} images (--pictures N for more)'
        yield f'{self.folder}: predictions.csv and {pictures}'


def predict(args: argparse.Namespace, console: Console) -> Results:
    """Predict."""
    check_checkpoint(args.checkpoint)
    cfg = load_config(args.config, ('model', 'test_dataloader'), read_options(args.cfg_options))

    def say(line: str) -> None:
        console.print(line, markup=False, highlight=False, soft_wrap=True)

    paths = find_images(args.images, args.out, say)
    pipeline = image_pipeline(cfg)
    model, meta = load_model(cfg, args.checkpoint)
    classes = checkpoint_classes(meta, getattr(model.head, 'num_classes', None))
    results = Results(args.out, classes, args.topk, args.pictures)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task('images', total=len(paths))

        def done(predictions: Sequence[Prediction], faults: dict[Path, str]) -> None:
            results.add(predictions, faults)
            progress.advance(task, len(predictions) + len(faults))

        try:
            predict_files(
                model,
                paths,
                pipeline,
                batch_size=args.batch_size,
                topk=args.topk,
                threshold=args.threshold,
                done=done,
            )
        finally:
            results.write()  # also what was done before an interruption
    return results


def run(args: argparse.Namespace) -> int:
    """Predict, and show the table."""
    console = Console()
    results = predict(args, console)
    if results.rows:
        print_table(results.table(), console)

    for note in results.notes():
        console.print(note, markup=False, highlight=False, soft_wrap=True)

    for path, reason in results.faults.items():
        print(f'cannot read {path}: {reason}', file=sys.stderr)

    return 1 if results.faults else 0
