"""From a folder of photographs, few of them with labels, to a classifier and a report."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from torch import Tensor

from mmsemiloc.datasets.listing.class_names import listed
from mmsemiloc.few_labels.classifier import CHECKPOINT, Classifier, save_checkpoint
from mmsemiloc.few_labels.features import FeatureExtractor, Views
from mmsemiloc.few_labels.outcome import Outcome
from mmsemiloc.few_labels.photo_maps import evenly, over_photo
from mmsemiloc.few_labels.photos import Photos, read_photos
from mmsemiloc.few_labels.projection import Projection
from mmsemiloc.few_labels.readable import Readable, readable
from mmsemiloc.few_labels.report import write_results
from mmsemiloc.few_labels.result_config import BACKBONES, check_backbone, write_config
from mmsemiloc.few_labels.selection import Choice, Labeled, choose, train_sets
from mmsemiloc.few_labels.settings import candidates
from mmsemiloc.few_labels.solver import Solver
from mmsemiloc.inference.photos import file_pipeline
from mmsemiloc.models.cam import NoMapsError

MOST = 20_000  # unlabelled images that the penalties read
MOST_WORKERS = 8  # processes that read images
MAPS = 24  # images whose map the report shows

Say = Callable[[str], None]
Done = Callable[[str, int, int], None]


def fold_into(model: torch.nn.Module, weight: Tensor, bias: Tensor) -> None:
    """Give the head of a model the weight (C, D) and bias (C,)."""
    with torch.no_grad():
        model.head.fc.weight.copy_(weight)
        model.head.fc.bias.copy_(bias)


class Progress:
    """What is said about the work, and how far it is.

    Args:
        say: Called with each line.
        done: Called with a stage, how much of it is done, and how much there is.

    Attributes:
        lines: What has been said.
    """

    def __init__(self, say: Say, done: Done) -> None:
        self.say, self.done = say, done
        self.lines: list[str] = []
        self.steps: dict[str, int] = {}

    def tell(self, line: str) -> None:
        """Say a line and keep it for the report."""
        self.lines.append(line)
        self.say(line)

    def advance(self, stage: str, total: int, number: int = 1) -> None:
        """Go on by ``number`` of ``total``."""
        self.steps[stage] = self.steps.get(stage, 0) + number
        self.done(stage, self.steps[stage], total)


def find_features(photos: Photos, extractor: FeatureExtractor, progress: Progress) -> Readable:
    """Compute the features that are not on the disk yet; the images that have some.

    Raises:
        ValueError: As :func:`readable`, or if a class has one labelled image without its copies.
    """
    files = [*photos.labeled, *photos.unlabeled]
    views = 1 + extractor.views.number
    progress.tell(
        f'{len(photos.labeled)} labelled images of {len(photos.classes)} classes, and '
        f'{len(photos.unlabeled)} unlabelled ones.'
    )
    progress.tell(
        f'A pretrained, frozen backbone computes features of {len(files)} images'
        f'{f", {views} views of each" if views > 1 else ""}: about '
        f'{duration(extractor.seconds_per_image() * len(files) * views)}, minus what is in '
        f'{extractor.folder} already.'
    )

    extraction = extractor.extract(
        [dict(img_path=str(file)) for file in files],
        workers=min(MOST_WORKERS, (os.cpu_count() or 1) - 1),
        done=lambda number: progress.advance('features', len(files), number),
    )
    found = readable(photos, extraction.keys, extraction.faults)
    known = sum(file in set(photos.labeled) for file in found.copies)
    for text, number in (
        ('unlabelled, cannot be read', len(found.faults)),
        ('labelled, a copy of another labelled one', known),
        ('unlabelled, a copy of another one', len(found.copies) - known),
    ):
        if number:
            progress.tell(f'Left out: {number} {"file" if number == 1 else "files"} ({text}).')

    # Copies of a labelled image are one image.
    counts = np.bincount(found.labels, minlength=len(photos.classes))
    alone = [name for name, count in zip(photos.classes, counts, strict=True) if count < 2]
    if alone:
        raise ValueError(
            f'all labelled images of {listed(alone)} are copies of one image: cross-validation '
            'needs two of each class'
        )
    return found


@dataclass(frozen=True)
class Learned:
    """What was learned from features.

    Attributes:
        choice: What cross-validation says.
        weight: Weight of the classifier (C, D).
        bias: Its bias (C,).
        probabilities: Of the unlabelled images (U, C).
    """

    choice: Choice
    weight: Tensor
    bias: Tensor
    probabilities: np.ndarray


def learn(
    found: Readable,
    num_classes: int,
    extractor: FeatureExtractor,
    folds: int,
    seed: int,
    progress: Progress,
) -> Learned:
    """Choose a setting by cross-validation, and train a classifier of all labelled images."""
    labeled = len(found.labels)
    places = taking_part(labeled, len(found.keys), seed)
    if len(places) < len(found.keys):
        progress.tell(f'The penalties read {MOST:,} of the unlabelled images, drawn by the seed.')
    features = extractor.features([found.keys[place] for place in places])
    projection = Projection.of(torch.from_numpy(features[0]))
    small = projection(torch.from_numpy(features))

    # Settings by the labelled images alone.
    known = Labeled(np.arange(labeled), found.labels, num_classes)
    counts = np.bincount(found.labels, minlength=num_classes).tolist()
    methods = candidates(counts, views=len(features) > 1)
    progress.tell(
        f'{len(methods)} settings are compared by {folds}-fold cross-validation on the labelled '
        'images; their accuracy is measured on folds that the choice has not seen.'
    )
    choice = choose(
        small,
        known,
        methods,
        folds=folds,
        seed=seed,
        done=lambda: progress.advance('settings', len(methods)),
    )
    progress.tell(f'Chosen: {choice.name}.')

    # The classifier, and what it says of the unlabelled images.
    heads = train_sets(small, known, [known.places], methods[choice.name], Solver())
    weak = torch.from_numpy(extractor.features(found.keys[labeled:], views=1)[0])
    probabilities = heads.logits(projection(weak))[0].softmax(1).numpy()
    return Learned(choice, *projection.unfold(heads.weight[0], heads.bias[0]), probabilities)


def make_extractor(
    backbone: str, num_classes: int, views: int, seed: int, cache: str | Path | None
) -> FeatureExtractor:
    """What computes the features, with a whole classifier around the backbone."""
    cfg = Config.fromfile(BACKBONES / f'photos_{backbone}.py')
    for part in (cfg.model.head, cfg.model.data_preprocessor):
        part.num_classes = num_classes

    strong = [cfg.view_pipeline[0], *cfg.strong_transforms, dict(type='PackInputs')]
    how = Views(file_pipeline(cfg.test_pipeline), strong, views, seed)
    return FeatureExtractor(cfg.model.to_dict(), how, cache)


def duration(seconds: float) -> str:
    """A time in words.

    Example:
        >>> duration(95), duration(20)
        ('2 minutes', '20 seconds')
    """
    if seconds < 60:
        return f'{max(1, round(seconds))} seconds'
    minutes = round(seconds / 60)
    return f'{minutes} minutes' if minutes > 1 else '1 minute'


def make_outcome(
    photos: Photos, found: Readable, learned: Learned, classifier: Classifier, plan: Sequence[str]
) -> Outcome:
    """What the report shows.

    Args:
        photos: All files.
        found: Those that could be read.
        learned: What was learned from them.
        classifier: The final one, for maps.
        plan: What was done.
    """
    choice, probabilities = learned.choice, learned.probabilities
    accuracy, interval = choice.accuracy(found.labels)
    others = sorted(set(choice.accuracies) - {choice.name}, key=list(choice.accuracies).index)
    unlabeled = found.files[len(found.labels) :]

    # Maps of as many images of each predicted class as there are, the unlabelled ones first.
    shown = evenly(probabilities.argmax(1), MAPS) if unlabeled else np.arange(0)
    files = [unlabeled[place] for place in shown] or found.files[:MAPS]
    try:
        maps = {file: over_photo(classifier, file) for file in files}
    except NoMapsError:
        maps = {}
    return Outcome(
        classes=photos.classes,
        labeled=found.files[: len(found.labels)],
        labels=found.labels,
        held_out=choice.held_out,
        accuracy=accuracy,
        interval=interval,
        settings=[(name, choice.accuracies[name]) for name in (choice.name, *others)],
        unlabeled=unlabeled,
        probabilities=probabilities,
        faults=found.faults,
        maps=maps,
        plan=plan,
    )


def taking_part(labeled: int, images: int, seed: int) -> np.ndarray:
    """Places of the images that training reads.

    They are the labelled ones, which come first, and ``MOST`` unlabelled ones at most, drawn by a
    seed.
    """
    others = np.arange(labeled, images)
    if len(others) > MOST:
        others = np.sort(np.random.default_rng(seed).choice(others, MOST, replace=False))
    return np.concatenate([np.arange(labeled), others])


def fit(
    photos: str | Path | None = None,
    labels: str | Path | None = None,
    *,
    labeled: str | Path | None = None,
    unlabeled: str | Path | None = None,
    backbone: str = 'efficientnet_lite0',
    work_dir: str | Path = 'work_dirs/fit',
    cache: str | Path | None = None,
    views: int = 0,
    folds: int = 5,
    seed: int = 0,
    allow_links: bool = False,
    say: Say = print,
    done: Done = lambda stage, step, total: None,
) -> Classifier:
    """Train a classifier on photographs, few of which have a label.

    The backbone is pretrained and rests. Its features are computed once and kept on disk. A linear
    classifier learns from the labels with cross-entropy, and from all images with the penalties of
    equation (4). Their weights are chosen by cross-validation on the labelled images alone; the
    accuracy that is reported comes from a nested one.

    Args:
        photos: Folder of images: any with ``labels``, else with a folder per class, and images
            without a label beside them or in a folder ``unlabeled``.
        labels: csv file with the columns ``file`` (relative to ``photos``) and ``label``.
        labeled: Instead of both, a folder that has a folder per class.
        unlabeled: Folder of further images without a label.
        backbone: Name of a config ``configs/photos/photos_NAME.py``.
        work_dir: Folder of the results: ``report.html``, ``predictions.csv``, ``label_next.csv``,
            ``classifier.py`` and ``classifier.pth``.
        cache: Folder of the features; ``~/.cache/mmsemiloc/features`` by default.
        views: Strong views per image, for FixMatch beside MEL and NBEL.
        folds: Folds of the cross-validation.
        seed: Of the folds and the views.
        allow_links: Whether links in the folders of images may lead out of them.
        say: Called with each line about what is done.
        done: Called with a stage, how much of it is done, and how much there is.

    Returns:
        The classifier.

    Raises:
        ValueError: If the files, the labels or an argument are wrong, in one line.
    """
    check_backbone(backbone)
    if views < 0 or folds < 2 or seed < 0:
        raise ValueError(
            'views must be at least 0, folds at least 2 and seed at least 0, got '
            f'{views}, {folds} and {seed}'
        )
    folder = Path(work_dir)
    there = read_photos(
        *(None if p is None else Path(p) for p in (photos, labels, labeled, unlabeled, folder)),
        allow_links=allow_links,
    )
    folder.mkdir(parents=True, exist_ok=True)

    # Features of all images, which no label has touched.
    progress = Progress(say, done)
    for note in there.notes:
        progress.tell(note)
    extractor = make_extractor(backbone, len(there.classes), views, seed, cache)
    found = find_features(there, extractor, progress)

    # Settings by cross-validation, then a classifier of all labelled images.
    result = learn(found, len(there.classes), extractor, folds, seed, progress)

    # The same network as every other tool takes it.
    config = write_config(there, found, backbone, folder)
    fold_into(extractor.model, result.weight, result.bias)
    save_checkpoint(extractor.model, there.classes, folder / CHECKPOINT)
    classifier = Classifier(config, folder / CHECKPOINT)

    outcome = make_outcome(there, found, result, classifier, progress.lines)
    write_results(outcome, folder)
    low, high = outcome.interval
    say(
        f'Accuracy {outcome.accuracy:.1f} %, 95 % interval {low:.1f} to {high:.1f} %, on labelled '
        'images whose label was held out.'
    )
    say(f'Report: {folder / "report.html"}')
    return classifier
