"""The work of tools/predict.py."""
import argparse
import csv
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from mmsemiloc.commands.common import check_checkpoint, load_config, read_options
from mmsemiloc.datasets.checks import checkpoint_classes
from mmsemiloc.study.evaluate import load_model
from mmsemiloc.study.plots import image_plot
from mmsemiloc.study.predict import Prediction, find_images, image_pipeline, predict_files
from mmsemiloc.study.tables import Table


class Results:
    """Writes pictures and rows as they come, and keeps the rows of the table that is shown at the end.

    Args:
        folder: Where to write.
        classes: Names of the classes; a class beyond them is named by its number.
        topk: Classes an image.
    """

    def __init__(self, folder: Path, classes: Sequence[str], topk: int) -> None:
        self.folder, self.classes, self.topk = folder, classes, topk
        self.rows: list[list[str]] = []
        self.faults: dict[Path, str] = {}
        folder.mkdir(parents=True, exist_ok=True)
        ranks = [f'{name}_{k + 1}' for k in range(topk) for name in ('class', 'confidence')]
        self._append(['image', 'picture', *ranks, 'x1', 'y1', 'x2', 'y2'], mode='w')

    def _append(self, row: list, mode: str = 'a') -> None:
        with (self.folder / 'predictions.csv').open(mode, newline='', encoding='utf-8') as file:
            csv.writer(file).writerow(row)

    def add(self, predictions: Sequence[Prediction], faults: dict[Path, str]) -> None:
        """Write a batch."""
        self.faults.update(faults)
        for prediction in predictions:
            picture = f'{len(self.rows):05d}_{prediction.path.stem}.png'
            boxes = [prediction.box] if prediction.box else []
            (self.folder / picture).write_bytes(image_plot(prediction.image, prediction.cam, boxes, size=400))
            names = [self.name(label) for label in prediction.labels]
            ranks = [text for name, value in zip(names, prediction.confidences, strict=True) for text in (name, f'{value:.4f}')]
            ranks += [''] * (2 * self.topk - len(ranks))  # with fewer classes than that
            self._append([prediction.path, picture, *ranks, *(map(str, prediction.box) if prediction.box else [''] * 4)])
            self.rows.append([prediction.path.name, *(
                f'{name} {100 * value:.1f}' for name, value in zip(names, prediction.confidences, strict=True))])

    def name(self, label: int) -> str:
        """Name of a class."""
        return str(self.classes[label]) if label < len(self.classes) else str(label)

    def table(self) -> Table:
        """One row an image."""
        columns = [f'class {k}, confidence %' for k in range(1, len(self.rows[0]))]
        return Table(f'{len(self.rows)} images', ['image', *columns], self.rows)


def predict(args: argparse.Namespace, console: Console) -> Results:
    """Predict."""
    check_checkpoint(args.checkpoint)
    cfg = load_config(args.config, ('model', 'test_dataloader'), read_options(args.cfg_options))
    paths = find_images(args.images)
    pipeline = image_pipeline(cfg)
    model, meta = load_model(cfg, args.checkpoint)
    classes = checkpoint_classes(meta, getattr(model.head, 'num_classes', None))
    results = Results(args.out, classes, args.topk)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task('images', total=len(paths))

        def done(predictions: Sequence[Prediction], faults: dict[Path, str]) -> None:
            results.add(predictions, faults)
            progress.advance(task, len(predictions) + len(faults))

        predict_files(model, paths, pipeline, batch_size=args.batch_size, topk=args.topk, threshold=args.threshold, done=done)
    return results


def run(args: argparse.Namespace) -> int:
    """Predict, and show the table."""
    console = Console()
    results = predict(args, console)
    if results.rows:
        console.print(results.table().to_rich())
    console.print(f'{args.out}: predictions.csv and {len(results.rows)} pictures', markup=False)
    for path, reason in results.faults.items():
        print(f'cannot read {path}: {reason}', file=sys.stderr)
    return 1 if results.faults else 0
